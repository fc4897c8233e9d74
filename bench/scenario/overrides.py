"""What the command line says instead of a scenario's own words; checked by the same models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypedDict, Unpack

from bench.errors import InputError
from bench.istio.decode import decode
from bench.scenario.load import LoadedScenario
from bench.scenario.mesh_mtls import with_mesh_mtls
from bench.scenario.models import Scenario


class Overrides(TypedDict, total=False):
    """What can be said instead; None, and what is not given, leaves the scenario's own word."""

    rate: float | None
    """Requests per second; the schedule becomes a constant one unless it has a rate of its own."""
    measure_s: float | None
    """Seconds of each trial's measured stage."""
    blocks: int | None
    """Blocks of a static and an eds trial each."""
    workers: int | None
    """Locust worker processes."""
    key: str | None
    """Key type of the certificates."""
    mesh_mtls: bool
    """Speak ISTIO_MUTUAL between sidecar and gateway."""


def override(loaded: LoadedScenario, **instead: Unpack[Overrides]) -> LoadedScenario:
    """The scenario with every value that is given in place of its own.

    Raises:
        InputError: a value is not possible; it names the option. Or the first hop cannot be secured.
    """
    data = loaded.scenario.model_dump()
    traffic: dict[str, Any] = data["traffic"]
    if (rate := instead.get("rate")) is not None:
        has_rate = "arrival_rate" in traffic["schedule"]
        base = traffic["schedule"] if has_rate else {"kind": "constant"}
        traffic["schedule"] = {**base, "arrival_rate": rate}
    for name in ("measure_s", "blocks", "workers"):
        if (value := instead.get(name)) is not None:
            traffic[name] = value
    if (key := instead.get("key")) is not None:
        data["tls"]["key"] = key
    decoded = decode(Scenario, data, ())
    if isinstance(decoded, Scenario):
        changed = replace(loaded, scenario=decoded)
        return with_mesh_mtls(changed) if instead.get("mesh_mtls") else changed
    fault = decoded[0] if isinstance(decoded, list) else None
    field = str(fault.path[-1]) if fault is not None and fault.path else ""
    raise InputError(
        f"{_OPTIONS.get(field, field)} {fault.what if fault is not None else 'is not possible.'}"
    )


_OPTIONS = {
    "arrival_rate": "--rate",
    "measure_s": "--measure",
    "blocks": "--blocks",
    "workers": "--workers",
    "key": "--key",
}
