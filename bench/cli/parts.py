"""What commands are made of: what was typed, where they speak, where and with what they run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from bench.cli.options import StackKind
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.console import Console
    from bench.load.run import Address, LocustOutputs
    from bench.scenario.load import LoadedScenario
    from bench.scenario.overrides import Overrides
    from bench.stack.backend import Backend


def as_typed() -> str:
    """The command of this process, for the report."""
    return shlex.join(["egress-bench", *sys.argv[1:]])


def make_console(*, quiet: bool = False, as_json: bool = False) -> Console:
    """The one place that prints, in the form that the options ask for."""
    from bench.console import Console

    return Console(quiet=quiet, as_json=as_json)


def read_scenario(folder: Path, **instead: Unpack[Overrides]) -> LoadedScenario:
    """The scenario in *folder*, with what the options say instead."""
    from bench.scenario.load import load_scenario
    from bench.scenario.overrides import override

    return override(load_scenario(folder), **instead)


def each_image(kind: StackKind, images: list[str] | None, *, as_json: bool) -> list[str | None]:
    """The Envoy images to run with, one after the other; None: the scenario's, or the suite's own."""
    if not images:
        return [None]
    if kind is not StackKind.DOCKER:
        raise InputError("--envoy-image is for containers.", remedy="Add --stack docker.")
    if as_json and len(images) > 1:
        raise InputError("--json prints one result.", remedy="Run each --envoy-image by itself.")
    return list(images)


def make_backend(
    kind: StackKind, loaded: LoadedScenario, console: Console, *, envoy_image: str | None = None
) -> Backend:
    """Where and by what Envoy and nginx run. What is missing for it is an error of the backend's."""
    from bench.stack.backend import docker_backend, local_backend

    match kind:
        case StackKind.LOCAL:
            return local_backend()
        case StackKind.DOCKER:
            return docker_backend(loaded.scenario, console.note, envoy_image=envoy_image)


def make_locust_outputs(
    csv: Path | None,
    html: Path | None,
    *,
    web_ui: bool,
    web_bind: str | None,
    stack: StackKind = StackKind.LOCAL,
) -> LocustOutputs:
    """What Locust itself should show and write.

    Raises:
        InputError: *web_bind* is not an address, or Locust runs where no one sees what it shows.
    """
    from bench.load.run import WEB_PORT, Address, LocustOutputs

    web = None
    if web_ui or web_bind is not None:
        web = Address.parse(web_bind or str(WEB_PORT), port=WEB_PORT, option="--web-bind")
    locust_outputs = LocustOutputs(csv=csv, html=html, web=web)
    if locust_outputs and stack is StackKind.DOCKER:
        raise InputError(
            "Locust's own files and web UI would stay in its container.",
            remedy="Leave out --locust-csv, --locust-html and --web-ui, or run with --stack local.",
        )
    return locust_outputs


def make_master_bind(text: str | None) -> Address | None:
    """Where workers from other machines are awaited.

    Raises:
        InputError: *text* is not an address.
    """
    from bench.load.run import MASTER_PORT, Address

    return Address.parse(text, port=MASTER_PORT, option="--master-bind") if text is not None else None
