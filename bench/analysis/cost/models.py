"""The cost models of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.errors import InputError
from bench.result import CostModel, LabModel, MemoryModel, Result


def gateway_model(result: Result, *, where: str, key: str | None = None) -> CostModel:
    """The gateway's cost model in *result*, which was read from *where*.

    Args:
        result: of `capacity`, or of the handshake lab, which has one for each key, version and certificate.
        where: for messages.
        key: key type, of a lab; None: the dearest full handshake, which is the cautious choice.

    Raises:
        InputError: it has none, or none of that key.
    """
    if result.tls_lab is not None and result.tls_lab.cost_models:
        return _of_lab(result.tls_lab.cost_models, where=where, key=key)
    if key is not None:
        raise InputError(
            f"this result does not distinguish the handshakes of {key}: it is not from the handshake lab.",
            where=where,
            remedy="Leave out --key, or measure with: egress-bench handshake.",
        )
    models = result.capacity.cost_models if result.capacity is not None else ()
    found = next((model for model in models if model.part == "gateway"), None)
    if found is None:
        text = "is of a search without one" if result.capacity is not None else "comes from another command"
        raise InputError(
            f"this result holds no cost model of the gateway: it {text}.",
            where=where,
            remedy="Measure one with: egress-bench capacity --model.",
        )
    return found


def gateway_memory(result: Result) -> dict[str, MemoryModel]:
    """The gateway's memory models in *result*, by what they are for; of several gateways the first's."""
    found = result.capacity
    if found is None:
        return {}
    gateways = {
        cost.component
        for window in (*found.windows, *found.cost_windows)
        for cost in window.costs
        if cost.role == "egress"
    }
    models: dict[str, MemoryModel] = {}
    for model in found.memory_models:
        if model.part in gateways:
            models.setdefault(model.each, model)
    return models


@dataclass(frozen=True, slots=True)
class AtBound:
    """What the gateway did at the lower bound of a search: no window of the cost model is as busy."""

    mix: Mapping[str, float]
    """Term -> amount per second."""
    cpus: float


def gateway_at_bound(result: Result) -> AtBound | None:
    """The last good trial at the bound in *result*; None: there is none, or the gateway's CPU is unknown."""
    found = result.capacity
    good = [trial for trial in found.trials if trial.good and trial.rate == found.lower] if found else []
    if found is None or not good:
        return None
    window = found.windows[good[-1].window]
    carried, seconds = window.by_role.get("egress"), window.read_s or window.duration_s
    cpu_s = [cost.cpu_seconds for cost in window.costs if cost.role == "egress"]
    known = [value for value in cpu_s if value]
    if carried is None or not carried.requests or len(known) < len(cpu_s) or not known:
        return None
    resumed = carried.sessions_reused or 0
    amounts = {
        "request": carried.requests,
        "full_handshake": max(0, (carried.handshakes or 0) - resumed),
        "resumed_handshake": resumed,
    }
    return AtBound({name: amount / seconds for name, amount in amounts.items()}, sum(known) / seconds)


def _of_lab(models: tuple[LabModel, ...], *, where: str, key: str | None) -> CostModel:
    fitting = [each for each in models if key is None or each.key == key]
    if not fitting:
        known = ", ".join(dict.fromkeys(each.key for each in models))
        raise InputError(
            f"the lab did not measure {key}; it has {known}.",
            where=where,
            remedy=f"Choose one of them, or measure it: egress-bench handshake --key {key}.",
        )
    return max(fitting, key=lambda each: _full_handshake(each.model)).model


def _full_handshake(model: CostModel) -> float:
    return next((term.cpu_s for term in model.terms if term.name == "full_handshake"), 0.0)
