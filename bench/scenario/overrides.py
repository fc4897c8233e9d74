"""What the command line says instead of a scenario's own words; checked by the same models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.errors import InputError
from bench.istio.decode import decode
from bench.scenario.load import LoadedScenario
from bench.scenario.mesh_mtls import with_mesh_mtls
from bench.scenario.models import Scenario


def override(
    loaded: LoadedScenario,
    *,
    rate: float | None = None,
    measure_s: float | None = None,
    blocks: int | None = None,
    workers: int | None = None,
    key: str | None = None,
    mesh_mtls: bool = False,
) -> LoadedScenario:
    """The scenario with every value that is given in place of its own.

    Args:
        loaded: as read.
        rate: requests per second; the schedule becomes a constant one unless it has a rate of its own.
        measure_s: seconds of each trial's measured stage.
        blocks: blocks of a static and an eds trial each.
        workers: Locust worker processes.
        key: key type of the certificates.
        mesh_mtls: speak ISTIO_MUTUAL between sidecar and gateway.

    Raises:
        InputError: a value is not possible; it names the option. Or the first hop cannot be secured.
    """
    data = loaded.scenario.model_dump()
    traffic: dict[str, Any] = data["traffic"]
    if rate is not None:
        has_rate = "arrival_rate" in traffic["schedule"]
        base = traffic["schedule"] if has_rate else {"kind": "constant"}
        traffic["schedule"] = {**base, "arrival_rate": rate}
    if measure_s is not None:
        traffic["measure_s"] = measure_s
    if blocks is not None:
        traffic["blocks"] = blocks
    if workers is not None:
        traffic["workers"] = workers
    if key is not None:
        data["tls"]["key"] = key
    decoded = decode(Scenario, data, ())
    if isinstance(decoded, Scenario):
        changed = replace(loaded, scenario=decoded)
        return with_mesh_mtls(changed) if mesh_mtls else changed
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
