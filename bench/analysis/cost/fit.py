"""The cost model of a part: non-negative least squares over windows, intervals, predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import nnls

from bench.analysis.cost.design import TERMS, Design, Matrix, Window, design_of
from bench.errors import InputError, MeasurementError
from bench.result.cost import CostModel, CostTerm, Residual

_DRAWS = 400
_KEPT = 60
"""Draws that are kept in a result, for intervals of predictions."""
_SEED = 29
_PASSES = 5
"""Of the fit: its weights no longer change by then."""
_LEAST_WEIGHED = 0.1
"""Of what a window cost: no weight is for less, however little a first pass says of it."""


def fit(part: str, windows: Sequence[Window]) -> CostModel:
    """Fit the CPU of one part.

    Windows weigh by what the model says they cost, so that a small one counts as much as a large one:
    McCullagh and Nelder, Generalized Linear Models (1989), chapter 8, constant coefficient of variation.
    Weighed by what was measured, those that fast moments of the machine made cheap would count for more, and
    predictions be too low by about the variance of such errors. Intervals of 95 % come from a wild bootstrap
    (signs of the residuals flipped), which keeps the design as it was.

    Raises:
        MeasurementError: there are no more windows than terms, or a window cost nothing.
    """
    if any(not window.cpu_s > 0 for window in windows):
        raise MeasurementError(f"the CPU of {part} is unknown or zero in a window: nothing can be fitted.")
    design = design_of(windows)
    count = len(design.groups)
    if len(windows) <= count or not count:
        raise MeasurementError(
            f"{len(windows)} windows are too few to fit the {count} terms of {part}.",
            remedy="Measure at more rates, bodies and shares of new connections.",
        )
    cpu = np.array([window.cpu_s for window in windows])
    scale = _scale(design.columns, cpu)
    weighted = design.columns / scale[:, np.newaxis]
    best, _ = nnls(weighted, cpu / scale)
    fitted = weighted @ best
    # Residuals of a fit are smaller than the errors behind them.
    grown = (cpu / scale - fitted) * np.sqrt(len(cpu) / (len(cpu) - count))
    draws = _draws(weighted, fitted, grown)
    said = design.columns @ best
    return CostModel(
        part=part,
        terms=tuple(_terms(design, best, draws)),
        never=tuple(
            name for index, name in enumerate(TERMS) if not any(index in group for group in design.groups)
        ),
        condition=min(design.condition, 1e9),
        residuals=tuple(
            Residual(
                rate=window.requests / window.seconds,
                measured_cpus=window.cpu_s / window.seconds,
                error=float(cost / window.cpu_s - 1),
            )
            for window, cost in zip(windows, said, strict=True)
        ),
        ranges=_ranges(windows),
        draws=tuple(tuple(float(value) for value in row) for row in draws[:_KEPT]),
    )


def _scale(columns: Matrix, cpu: Matrix) -> Matrix:
    """What each window costs by the model that weighs by it: found in a few passes, from the measured."""
    scale = cpu
    for _ in range(_PASSES):
        best, _ = nnls(columns / scale[:, np.newaxis], cpu / scale)
        scale = np.maximum(columns @ best, _LEAST_WEIGHED * cpu)
    return scale


def _draws(weighted: Matrix, fitted: Matrix, errors: Matrix) -> Matrix:
    lot = np.random.default_rng(_SEED)
    signs = lot.integers(0, 2, (_DRAWS, len(errors))) * 2 - 1
    return np.array([nnls(weighted, fitted + errors * row)[0] for row in signs])


def _terms(design: Design, best: Matrix, draws: Matrix) -> list[CostTerm]:
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return [
        CostTerm(
            name=TERMS[group[0]],
            joined_with=tuple(TERMS[index] for index in group[1:]),
            cpu_s=float(best[number]),
            low=float(low[number]),
            high=float(high[number]),
        )
        for number, group in enumerate(design.groups)
    ]


def _ranges(windows: Sequence[Window]) -> dict[str, tuple[float, float]]:
    """Lowest and highest amount of each term but the base: requests per second, the others per request."""
    found = {}
    for index, name in enumerate(TERMS[1:], 1):
        per = [
            window.row[index] / (window.seconds if name == "request" else max(window.requests, 1e-9))
            for window in windows
        ]
        found[name] = (min(per), max(per))
    return found


def predict(model: CostModel, mix: Mapping[str, float]) -> tuple[float, float, float]:
    """CPUs that a mix needs, with its interval of 95 %.

    Args:
        model: of one part.
        mix: term -> amount per second (``request``: requests/s …); ``base`` counts once.

    Raises:
        InputError: the mix holds something that was never measured.
    """
    unknown = [name for name, amount in mix.items() if amount > 0 and name in model.never and name != "base"]
    if unknown:
        raise InputError(
            f"the cost model of {model.part} knows nothing about {', '.join(unknown)}: they did not occur"
            " when it was measured.",
            remedy="Measure again with them, or leave them out of the question.",
        )
    amounts = np.array([1.0 if term.name == "base" else mix.get(term.name, 0.0) for term in model.terms])
    best = float(amounts @ np.array([term.cpu_s for term in model.terms]))
    drawn = np.array(model.draws) @ amounts if model.draws else np.array([best])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return best, min(best, float(low)), max(best, float(high))
