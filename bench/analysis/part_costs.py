"""What the parts of the path cost: the one place where their CPU and memory are put together.

One rule for what is not known: a sum, mean, median or peak over values of which one is unknown is unknown.
What is missing may be anything, and a figure without it would look like one with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median
from typing import Literal

from bench.result import ComponentCost, TrialResult

Role = Literal["sidecar", "egress", "node", "generator"]
Pick = Callable[[ComponentCost], float | None]


def total(values: Iterable[float | None]) -> float | None:
    """The sum; None if one value is unknown, or there is none at all."""
    known = _all_known(values)
    return sum(known) if known else None


def middle(values: Iterable[float | None]) -> float | None:
    """The median; None if one value is unknown, or there is none at all."""
    known = _all_known(values)
    return median(known) if known else None


def mean(values: Iterable[float | None]) -> float | None:
    """The arithmetic mean; None if one value is unknown, or there is none at all."""
    known = _all_known(values)
    return fmean(known) if known else None


def peak(values: Iterable[float | None]) -> float | None:
    """The largest; None if one value is unknown, or there is none at all."""
    known = _all_known(values)
    return max(known) if known else None


def _all_known(values: Iterable[float | None]) -> list[float]:
    every = list(values)
    known = [value for value in every if value is not None]
    return known if len(known) == len(every) else []


def cpu_us_of_role(trial: TrialResult, role: Role) -> float | None:
    """CPU per request of all parts of *role* together in one trial, µs."""
    return total(cost.cpu_us_per_request for cost in trial.costs if cost.role == role)


def memory_bytes_of_role(trial: TrialResult, role: Role) -> float | None:
    """Peak memory of all parts of *role* together in one trial."""
    return total(cost.memory_bytes for cost in trial.costs if cost.role == role)


def cpu_us_of_part(trials: Iterable[TrialResult], component: str) -> float | None:
    """CPU per request of one part, the median of those *trials* in which it took part, µs."""
    return middle(cost.cpu_us_per_request for cost in _of(trials, component))


def memory_bytes_of_part(trials: Iterable[TrialResult], component: str) -> float | None:
    """Peak memory of one part over those *trials* in which it took part."""
    return peak(cost.memory_bytes for cost in _of(trials, component))


def parts_of(trials: Iterable[TrialResult]) -> tuple[str, ...]:
    """The parts of *trials*, each once, in order of appearance."""
    return tuple(dict.fromkeys(cost.component for trial in trials for cost in trial.costs))


def _of(trials: Iterable[TrialResult], component: str) -> Sequence[ComponentCost]:
    return [cost for trial in trials for cost in trial.costs if cost.component == component]
