"""The cost models of a result."""

from __future__ import annotations

from bench.errors import InputError
from bench.result import CostModel, Result


def gateway_model(result: Result, *, where: str) -> CostModel:
    """The gateway's cost model in *result*, which was read from *where*.

    Raises:
        InputError: it has none.
    """
    models = result.capacity.cost_models if result.capacity is not None else ()
    found = next((model for model in models if model.part == "gateway"), None)
    if found is None:
        told = "was of a search without one" if result.capacity is not None else "comes from another command"
        raise InputError(
            f"this result holds no cost model of the gateway: it {told}.",
            where=where,
            remedy="Measure one with: egress-bench capacity --model.",
        )
    return found
