"""A small share of slow requests: a second mode of a distribution, which the null target does not have."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.histogram import Histogram, Recorded

LEAST_EXCESS_US = 10_000
"""Beyond the median. Below it a busy machine has modes of its own: the time slices of its scheduler."""
LEAST_FACTOR = 3.0
"""Times the median."""
_LEAST_SAMPLES = 20
_LEAST_SHARE = 0.001
_MOST_SHARE = 0.2
_REACH = 1.5
"""The mode lies within this factor of its middle, to both sides."""
_BESIDE = 2.5
"""From there to this factor lies what must be nearly empty."""
_PROMINENCE = 3.0
"""Times as many samples for each microsecond in the mode as beside it, on either side."""
_BASELINE_HAS = 0.25
"""The baseline must have less than this part of the share, as far beyond its own median."""


@dataclass(frozen=True, slots=True)
class SecondMode:
    """Requests that are slow by about the same time."""

    samples: int
    share: float
    """Of all."""
    low_us: int
    high_us: int
    """Between these two they lie."""
    excess_us: int
    """How much longer than the median their middle is."""
    baseline_share: float | None
    """Of the baseline's requests, as far beyond its own median; None: there is no baseline."""


def second_mode(times: Histogram, baseline: Histogram | None = None) -> SecondMode | None:
    """The largest mode beyond the first, if it stands alone and the *baseline* does not have it.

    What pauses of the machine add to a distribution is a tail that falls: it has no empty place before it.
    """
    total, median = times.total, times.percentile(50.0)
    if median is None:
        return None
    found = times.recorded
    least = max(median * LEAST_FACTOR, median + LEAST_EXCESS_US)
    middle = _densest(found, least)
    if middle is None:
        return None
    low, high = middle / _REACH, middle * _REACH
    inside = _between(found, low, high)
    beside = max(
        _between(found, middle / _BESIDE, low) / (low - middle / _BESIDE),
        _between(found, high, middle * _BESIDE) / (middle * _BESIDE - high),
    )
    share = inside / total
    if inside < _LEAST_SAMPLES or not _LEAST_SHARE <= share <= _MOST_SHARE:
        return None
    if inside / (high - low) < _PROMINENCE * beside:
        return None
    also = None
    usual = baseline.percentile(50.0) if baseline is not None else None
    if baseline is not None and usual is not None:
        also = _between(baseline.recorded, usual + low - median, usual + high - median) / baseline.total
        if also > _BASELINE_HAS * share:
            return None
    return SecondMode(inside, share, round(max(low, least)), round(high), round(middle - median), also)


def _between(found: Recorded, low: float, high: float) -> int:
    """Samples above *low*, up to *high*."""
    return int(found.counts[(found.highest > low) & (found.highest <= high)].sum())


def _densest(found: Recorded, least: float) -> float | None:
    """The value from *least* on around which most samples lie, to both sides by the reach of a mode."""
    values = found.highest[found.highest >= least].tolist()
    return max(values, key=lambda value: _between(found, value / _REACH, value * _REACH), default=None)
