"""What a variant changes: config source, Envoy, TLS, any field of the scenario, other Istio YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, get_args

from bench.errors import InputError
from bench.preparation import Variation
from bench.scenario.fields import with_fields
from bench.scenario.load import LoadedScenario, load_scenario
from bench.scenario.mesh_mtls import with_mesh_mtls
from bench.scenario.read import read_folder
from bench.stack.backend import Backend
from bench.translate import ConfigSource, TlsVersion

SHORT = {
    "key": "tls.key",
    "rate": "traffic.schedule.arrival_rate",
    "connections": "traffic.connections.count",
}
"""Words for fields that are often compared."""
Known = TypeVar("Known")
_TLS_VERSIONS: dict[str, TlsVersion] = {"1.2": "TLSv1_2", "1.3": "TLSv1_3"}


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
    variation: Variation = field(default_factory=Variation)
    """What its stack does differently from the Istio resources."""


MakeBackend = Callable[[LoadedScenario, str | None, str | None], Backend]
"""From a scenario, and the Envoy binary and image to use instead of the usual ones."""


def parse_variant(
    name: str, settings: Sequence[str], loaded: LoadedScenario, make_backend: MakeBackend
) -> Variant:
    """Read the settings of a variant, each ``FIELD=VALUE``.

    ``config-source=eds``; ``envoy=/path/of/binary`` and ``envoy-image=NAME``; ``istio=DIR``;
    ``concurrency=2`` of all proxies; ``tls-version=1.2`` between gateway and nodes; ``mesh-mtls=on``
    between sidecar and gateway; ``key``, ``rate`` and ``connections`` for short; else the path of a
    field in scenario.yaml.

    Raises:
        InputError: a setting cannot be read, or names nothing that there is.
    """
    fields: dict[str, str] = {}
    source: ConfigSource = "static"
    envoy = image = None
    is_mesh_mtls = False
    variation = Variation()
    for name_of, value in map(_split, settings):
        match name_of:
            case "config-source":
                source = _one_of(name_of, value, {each: each for each in get_args(ConfigSource)})
            case "envoy":
                envoy = value
            case "envoy-image":
                image = value
            case "istio":
                loaded = _with_resources(loaded, Path(value))
            case "concurrency":
                fields |= {f"resources.{kind}": f"{{cpus: {value}}}" for kind in ("sidecar", "egress")}
            case "tls-version":
                version = _one_of(name_of, value.removeprefix("TLSv"), _TLS_VERSIONS)
                variation = replace(variation, tls_version=version)
            case "mesh-mtls":
                is_mesh_mtls = _one_of(name_of, value, {"on": True}, otherwise=_AS_WRITTEN)
            case _:
                fields[SHORT.get(name_of, name_of)] = value
    changed = with_fields(loaded, fields)
    if is_mesh_mtls:
        changed = with_mesh_mtls(changed, asked_by="mesh-mtls=on")
    return Variant(name, tuple(settings), changed, source, make_backend(changed, envoy, image), variation)


def _split(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if equals and name and value:
        return name, value
    raise InputError(f"{setting!r} is not FIELD=VALUE.", remedy="Such as connections=64 or key=rsa-2048.")


_AS_WRITTEN = " Without it, the hop is as the Istio YAML says."


def _one_of(name: str, value: str, known: Mapping[str, Known], otherwise: str = "") -> Known:
    if value in known:
        return known[value]
    raise InputError(
        f"{name}={value} is not possible.",
        remedy=f"{name} can be {', '.join(known)}.{otherwise}",
    )


def _with_resources(loaded: LoadedScenario, folder: Path) -> LoadedScenario:
    """The scenario with the Istio YAML of another folder, or of another scenario's folder."""
    if (folder / "scenario.yaml").exists():
        other = load_scenario(folder)
        return replace(loaded, resources=other.resources, files=other.files)
    read = read_folder(folder)
    read.require_readable()
    read.require_resources()
    return replace(loaded, resources=read.resources, files=read.survey.files)
