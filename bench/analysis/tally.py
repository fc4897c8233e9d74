"""Counts and histograms of one subset, and their sum: how a :class:`SubsetResult` comes about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bench.analysis.latency import merge, summarise
from bench.result import RunWarning, SubsetResult


@dataclass(frozen=True, slots=True)
class Tally:
    """One subset in one stage, as the generator reports it. Histograms are HDR V2 blobs in base64, µs."""

    name: str
    due: int
    sent: int
    answered: int
    unsent: int
    failed: int
    misrouted: int
    response_time: str
    service_time: str
    lag: str
    reasons: Mapping[str, int] = field(default_factory=dict)

    def is_balanced(self) -> bool:
        """Does every due request have exactly one end?"""
        return (
            self.due == self.sent + self.unsent and self.sent == self.answered + self.failed + self.misrouted
        )


def add_up(name: str, tallies: Iterable[Tally]) -> Tally:
    """The sum of several tallies, without loss.

    Raises:
        MeasurementError: a histogram is damaged.
    """
    parts = tuple(tallies)
    reasons: Counter[str] = Counter()
    for part in parts:
        reasons.update(part.reasons)
    return Tally(
        name=name,
        due=sum(part.due for part in parts),
        sent=sum(part.sent for part in parts),
        answered=sum(part.answered for part in parts),
        unsent=sum(part.unsent for part in parts),
        failed=sum(part.failed for part in parts),
        misrouted=sum(part.misrouted for part in parts),
        response_time=merge(part.response_time for part in parts).encode().decode("ascii"),
        service_time=merge(part.service_time for part in parts).encode().decode("ascii"),
        lag=merge(part.lag for part in parts).encode().decode("ascii"),
        reasons=dict(reasons),
    )


def combine(name: str, tallies: Iterable[Tally]) -> SubsetResult:
    """Add tallies up (of several stages, or of all subsets) and read the percentiles of the sum.

    Raises:
        MeasurementError: a histogram is damaged.
    """
    whole = add_up(name, tallies)
    return SubsetResult(
        name=whole.name,
        due=whole.due,
        sent=whole.sent,
        answered=whole.answered,
        unsent=whole.unsent,
        failed=whole.failed,
        misrouted=whole.misrouted,
        reasons=dict(Counter(whole.reasons).most_common()),
        response_time=summarise(merge([whole.response_time])),
        service_time=summarise(merge([whole.service_time])),
        lag=summarise(merge([whole.lag])),
    )


def judge_balance(tally: Tally) -> tuple[RunWarning, ...]:
    """Does each due request have exactly one end?"""
    if tally.is_balanced():
        return ()
    return (
        RunWarning(
            code="counts-do-not-balance",
            message=f"{tally.name}: due {tally.due:,}, sent {tally.sent:,}, unsent {tally.unsent:,}, answered"
            f" {tally.answered:,}, failed {tally.failed:,}, misrouted {tally.misrouted:,} do not add up.",
            advice="A request was lost or counted twice, or a worker vanished: do not trust the counts.",
        ),
    )
