"""Where a run's stacks are, and what runs there: processes of this machine, or containers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.environment import versions
from bench.scenario import Scenario
from bench.stack.binaries import envoy_at, find_envoy, find_nginx
from bench.stack.faults import ComponentFaults
from bench.stack.protocol import Stack, StackSpec
from bench.stack.watches import require_container_watches, require_local_watches


@dataclass(frozen=True, slots=True)
class Backend:
    """One kind of stack, ready to be used."""

    kind: str
    make_stack: Callable[[StackSpec], Stack]
    make_faults: Callable[[Any], ComponentFaults]
    """Faults over one of its stacks."""
    versions: Callable[[], Mapping[str, str]]
    """What runs there, for the fingerprint; raises ``StackError`` if a part is missing."""
    require_watches: Callable[[Mapping[str, int]], None] = lambda _: None
    """Checks, before anything starts, that proxies which run at once get their file watches; see
    ``bench.stack.watches.require_watches``."""
    restarts_hot: bool = False
    """Whether its stacks are ``HotRestarting``."""
    holds_limits: bool = False
    """Whether ``resources`` are more than a number of worker threads there."""


def local_backend(envoy: Path | None = None) -> Backend:
    """Processes of this machine.

    Args:
        envoy: the binary to run instead of the one that is found.

    Raises:
        StackError: *envoy* does not run here.
    """
    from bench.stack.local import LocalFaults, LocalStack  # noqa: PLC0415 - a run needs one kind

    binary = envoy_at(envoy) if envoy is not None else None
    return Backend(
        "local",
        functools.partial(LocalStack, envoy_binary=binary),
        LocalFaults,
        lambda: versions(envoy=(binary or find_envoy()).path, nginx=find_nginx().path),
        require_watches=require_local_watches,
        restarts_hot=True,
    )


def docker_backend(
    scenario: Scenario, notify: Callable[[str], None], *, envoy_image: str | None = None
) -> Backend:
    """Containers, with all images found, pulled or built.

    Args:
        scenario: names images, limits and interception.
        notify: called before everything that takes long.
        envoy_image: instead of the scenario's.

    Raises:
        StackError: no engine, no Compose, or an image that cannot be had.
    """
    # The SDK is heavy, and the local stack does not need it.
    from bench.stack.compose import ComposeStack, ContainerFaults, find_compose, find_docker  # noqa: PLC0415
    from bench.stack.engine import connect  # noqa: PLC0415
    from bench.stack.images import Role, supply_all  # noqa: PLC0415

    find_docker()
    wanted: dict[Role, str | None] = {
        "envoy": envoy_image or scenario.images.envoy,
        "nginx": scenario.images.nginx,
        "generator": scenario.images.generator,
    }
    with contextlib.closing(connect()) as client, ThreadPoolExecutor(1) as aside:
        # The older spelling takes most of a second to say that it is there.
        finding = aside.submit(find_compose)
        images = supply_all(
            client,
            requested={role: name for role, name in wanted.items() if name is not None},
            with_tools=any(proxy.interception == "redirect" for proxy in scenario.inventory.proxies.values()),
            with_scripts=any(node.delay for node in scenario.nodes.values()),
            notify=notify,
        )
        finding.result()
        engine = str(client.version()["Version"])

    def what_runs() -> Mapping[str, str]:
        envoy, nginx = images.envoy.binary, images.nginx.binary
        reported = versions(
            envoy=None,
            nginx=None,
            envoy_says=envoy.build if envoy is not None else "",
            nginx_says=nginx.build if nginx is not None else "",
        )
        return {**reported, "docker": engine, **images.fingerprint()}

    return Backend(
        kind="docker",
        make_stack=functools.partial(ComposeStack, images=images),
        make_faults=ContainerFaults,
        versions=what_runs,
        require_watches=require_container_watches,
        holds_limits=True,
    )
