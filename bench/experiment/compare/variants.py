"""What a variant changes: a config source, an Envoy, any field of the scenario, other Istio YAML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from bench.errors import InputError
from bench.scenario.fields import with_fields
from bench.scenario.load import LoadedScenario, load_scenario
from bench.scenario.read import read_folder
from bench.stack.backend import Backend
from bench.translate import ConfigSource

SHORT = {
    "key": "tls.key",
    "rate": "traffic.schedule.arrival_rate",
    "connections": "traffic.connections.count",
}
"""Words for fields that are often compared."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario with some settings of its own, and what runs it."""

    name: str
    """``A`` is the baseline."""
    settings: tuple[str, ...]
    """As typed."""
    loaded: LoadedScenario
    source: ConfigSource
    backend: Backend


MakeBackend = Callable[[LoadedScenario, str | None, str | None], Backend]
"""From a scenario, and the Envoy binary and image to use instead of the usual ones."""


def parse_variant(
    name: str, settings: Sequence[str], loaded: LoadedScenario, make_backend: MakeBackend
) -> Variant:
    """Read the settings of a variant, each ``FIELD=VALUE``.

    ``config-source=eds``; ``envoy=/path/of/binary`` and ``envoy-image=NAME``; ``istio=DIR``;
    ``concurrency=2`` of all proxies; ``key``, ``rate`` and ``connections`` for short; else the path
    of a field in scenario.yaml.

    Raises:
        InputError: a setting cannot be read, or names nothing that there is.
    """
    fields: dict[str, str] = {}
    source: ConfigSource = "static"
    envoy = image = None
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or not field or not value:
            raise InputError(
                f"{setting!r} is not FIELD=VALUE.",
                remedy="Such as connections=64 or key=rsa-2048.",
            )
        match field:
            case "config-source":
                source = _source(value)
            case "envoy":
                envoy = value
            case "envoy-image":
                image = value
            case "istio":
                loaded = _with_resources(loaded, Path(value))
            case "concurrency":
                fields |= {f"resources.{kind}": f"{{cpus: {value}}}" for kind in ("sidecar", "egress")}
            case _:
                fields[SHORT.get(field, field)] = value
    changed = with_fields(loaded, fields)
    return Variant(name, tuple(settings), changed, source, make_backend(changed, envoy, image))


def _source(value: str) -> ConfigSource:
    known: tuple[ConfigSource, ...] = get_args(ConfigSource)
    for source in known:
        if source == value:
            return source
    raise InputError(
        f"config-source={value}: there is no such config source.", remedy=f"There are {', '.join(known)}."
    )


def _with_resources(loaded: LoadedScenario, folder: Path) -> LoadedScenario:
    """The scenario with the Istio YAML of another folder, or of another scenario's folder."""
    from dataclasses import replace  # noqa: PLC0415

    if (folder / "scenario.yaml").exists():
        other = load_scenario(folder)
        return replace(loaded, resources=other.resources, files=other.files)
    read = read_folder(folder)
    read.require_readable()
    read.require_resources()
    return replace(loaded, resources=read.resources, files=read.survey.files)
