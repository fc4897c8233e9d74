"""Remove everything that carries a run's label, whatever state it is in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, NotFound

from bench.errors import StackError
from bench.stack.engine.connection import engine_errors_explained
from bench.stack.engine.labels import FOLDER_LABEL, OWNER_LABEL, RUN_LABEL

_PATIENCE_S = 20.0
_AT_ONCE = 8


def sweep(client: DockerClient, project: str, *, patience_s: float = _PATIENCE_S) -> None:
    """Remove containers, networks and volumes of one run until none is left.

    More than once, because a Compose that was just ended may have asked the engine for one more.

    Raises:
        StackError: something is still there after *patience_s*.
    """
    deadline = time.monotonic() + patience_s
    empty = 0
    while True:
        left = list(_remove(client, project))
        empty = 0 if left else empty + 1
        # Looked twice: what was asked for before the first look exists by the second.
        if empty == 2:
            return
        if time.monotonic() >= deadline:
            raise StackError(
                f"cannot remove {', '.join(left)} of run {project}.",
                remedy=f"Remove it by hand: docker ps -a --filter label={RUN_LABEL}={project}.",
            )
        time.sleep(0.05 if left else 0.2)


def orphans(client: DockerClient, uid: int) -> list[str]:
    """Projects of this user whose run folder is gone: nothing else will clear them.

    Raises:
        StackError: the engine does not answer.
    """
    with engine_errors_explained():
        containers = client.api.containers(all=True, filters={"label": [RUN_LABEL, f"{OWNER_LABEL}={uid}"]})
        networks = client.api.networks(filters={"label": [RUN_LABEL, f"{OWNER_LABEL}={uid}"]})
    found = dict.fromkeys(
        labels[RUN_LABEL]
        for labels in (each.get("Labels") or {} for each in [*containers, *networks])
        if not Path(labels.get(FOLDER_LABEL, "")).is_dir()
    )
    return list(found)


def _remove_container(client: DockerClient, container: str) -> None:
    # APIError: it is being removed already, or still being made; the next look shows.
    with contextlib.suppress(NotFound, APIError):
        client.api.remove_container(container, force=True, v=True)


def _remove(client: DockerClient, project: str) -> Iterator[str]:
    """One look: remove what is there; yields the names of what was found."""
    wanted = {"label": f"{RUN_LABEL}={project}"}
    with engine_errors_explained():
        containers = client.api.containers(all=True, filters=wanted)
        # Side by side: the engine takes its time over the networks of each.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            removing = [pool.submit(_remove_container, client, each["Id"]) for each in containers]
            for each in removing:
                each.result()
        for container in containers:
            yield container["Names"][0].lstrip("/") if container.get("Names") else container["Id"][:12]
        for network in client.api.networks(filters=wanted):
            yield str(network["Name"])
            with contextlib.suppress(NotFound, APIError):
                client.api.remove_network(network["Id"])
        for volume in client.api.volumes(filters=wanted).get("Volumes") or ():
            yield str(volume["Name"])
            with contextlib.suppress(NotFound, APIError):
                client.api.remove_volume(volume["Name"], force=True)
