"""What commands are made of: the console they speak through and the backend they run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.cli.options import StackKind
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.console import Console
    from bench.experiment.backend import Backend
    from bench.scenario.load import LoadedScenario


def make_console(*, quiet: bool = False, as_json: bool = False) -> Console:
    """The one place that prints, in the form that the options ask for."""
    from bench.console import Console

    return Console(quiet=quiet, as_json=as_json)


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
    from bench.experiment.backend import docker_backend, local_backend

    match kind:
        case StackKind.LOCAL:
            return local_backend()
        case StackKind.DOCKER:
            return docker_backend(loaded.scenario, console.note, envoy_image=envoy_image)
