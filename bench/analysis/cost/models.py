"""The cost models of a result."""

from __future__ import annotations

from bench.analysis.cost.design import Window
from bench.analysis.cost.equation import equation
from bench.errors import InputError, MeasurementError
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


def gateway_at_bound(result: Result) -> Window | None:
    """The last good trial at the lower bound of the search in *result*, which no cost model was fitted to.

    None: there is none, or nobody knows what the gateway carried or used in it.
    """
    found = result.capacity
    good = [trial for trial in found.trials if trial.good and trial.rate == found.lower] if found else []
    if found is None or not good:
        return None
    try:
        window = equation(found.windows[good[-1].window], "egress")
    except MeasurementError:
        return None
    return window if window.requests and window.cpu_s else None


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
