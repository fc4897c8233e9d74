"""What a trial lost by the limits of a scenario: unsent, failed, misrouted, or slower than allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.histogram import Histogram
from bench.errors import InputError
from bench.result import Counts, SubsetOutcome
from bench.units import format_micros

_SHARES = {"p50": 0.5, "p90": 0.1, "p99": 0.01, "p999": 0.001}
_CLOCK = "response_time_"


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """Up to this share of the requests may be slower, or get no right answer at all."""

    name: str
    """As in ``scenario.yaml``: ``response_time_p99_ms``."""
    share: float
    limit_us: float

    def __str__(self) -> str:
        return f"{(1 - self.share) * 100:g} % of the requests within {format_micros(self.limit_us)}"


@dataclass(frozen=True, slots=True)
class Loss:
    """What one trial lost."""

    share: float
    """Of the due requests, in units of the strictest limit: at most its share: all are met."""
    bad: int
    misrouted: int
    slow: int
    """By the limit that is hardest to meet."""
    p50: int | None
    p99: int | None
    """Response time, µs."""
    due: int
    hardest: TimeLimit

    @property
    def why(self) -> str:
        """What the verdict rests on."""
        lost = self.bad + self.slow
        share = lost / self.due if self.due else 1.0
        return (
            f"{share * 100:.3g} % lost of at most {self.hardest.share * 100:g} %:"
            f" {self.slow:,} of {self.due:,} slower than {format_micros(self.hardest.limit_us)},"
            f" {self.bad:,} without a right answer"
        )


def time_limits(limits: Mapping[str, float | None], where: str) -> tuple[TimeLimit, ...]:
    """The limits on response times, strictest share first.

    Raises:
        InputError: there is none, so that any rate would do.
    """
    found = [
        TimeLimit(name, _SHARES[percentile], bound * 1_000)
        for name, bound in limits.items()
        if bound is not None
        and name.startswith(_CLOCK)
        and (percentile := name.removeprefix(_CLOCK).removesuffix("_ms")) in _SHARES
    ]
    if not found:
        raise InputError(
            "the scenario sets no limit on the response time, so that no rate would be too high.",
            where=where,
            remedy="Set limits.response_time_p99_ms, or give --p99 MILLISECONDS.",
        )
    return tuple(sorted(found, key=lambda each: each.share))


def lost(subsets: Sequence[SubsetOutcome], limits: Sequence[TimeLimit]) -> Loss:
    """What the trial behind these counts lost.

    Raises:
        ValueError: a histogram is damaged.
    """
    counts = Counts.sum(subset.counts for subset in subsets)
    times = Histogram()
    for subset in subsets:
        times.merge(Histogram.decode(subset.response_time))
    recorded = times.recorded
    strictest = limits[0].share
    found = []
    for limit in limits:
        slow = int(recorded.counts[recorded.lowest > limit.limit_us].sum())
        # A wrong answer is lost once, however late it came.
        slow = min(slow, counts.due - counts.bad)
        excess = (counts.bad + slow) / counts.due / limit.share if counts.due else float("inf")
        found.append((excess, slow, limit))
    excess, slow, hardest = max(found, key=lambda each: each[0])
    return Loss(
        share=min(1.0, excess * strictest),
        bad=counts.bad,
        misrouted=counts.misrouted,
        slow=slow,
        p50=times.percentile(50),
        p99=times.percentile(99),
        due=counts.due,
        hardest=hardest,
    )
