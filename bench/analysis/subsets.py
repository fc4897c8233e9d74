"""From what the generator recorded of subsets to results with percentiles."""

from __future__ import annotations

from collections.abc import Iterable

from bench.analysis.latency import merge, summarise
from bench.result import Counts, RunWarning, SubsetOutcome, SubsetResult


def add_up(name: str, outcomes: Iterable[SubsetOutcome]) -> SubsetOutcome:
    """The sum of several, without loss.

    Raises:
        MeasurementError: a histogram is damaged.
    """
    parts = tuple(outcomes)
    return SubsetOutcome(
        name=name,
        counts=Counts.sum(part.counts for part in parts),
        response_time=merge(part.response_time for part in parts).encode(),
        service_time=merge(part.service_time for part in parts).encode(),
        lag=merge(part.lag for part in parts).encode(),
    )


def combine(name: str, outcomes: Iterable[SubsetOutcome]) -> SubsetResult:
    """Add up (several stages, or all subsets) and read the percentiles of the sum.

    Raises:
        MeasurementError: a histogram is damaged.
    """
    parts = tuple(outcomes)
    return SubsetResult(
        name=name,
        **Counts.sum(part.counts for part in parts).model_dump(),
        response_time=summarise(merge(part.response_time for part in parts)),
        service_time=summarise(merge(part.service_time for part in parts)),
        lag=summarise(merge(part.lag for part in parts)),
    )


def judge_balance(outcome: SubsetOutcome) -> tuple[RunWarning, ...]:
    """Does each due request have exactly one end?"""
    counts = outcome.counts
    if counts.is_balanced:
        return ()
    return (
        RunWarning(
            code="counts-do-not-balance",
            message=f"{outcome.name}: due {counts.due:,}, sent {counts.sent:,}, unsent {counts.unsent:,},"
            f" answered {counts.answered:,}, failed {counts.failed:,}, misrouted {counts.misrouted:,} do not"
            " add up.",
            advice="A request was lost or counted twice, or a worker vanished: do not trust the counts.",
        ),
    )
