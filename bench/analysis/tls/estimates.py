"""Intervals of 95 % for medians, means and differences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, bdtrik, stdtrit

from bench.result import Estimate

_FEWEST_FREE = 4
"""Degrees of freedom; with fewer, what is explained by chance weighs more than what is explained."""


def quantile_interval(values: Sequence[float], share: float) -> Estimate | None:
    """A quantile with its distribution-free interval from order statistics; None with too few values for one.

    David and Nagaraja, Order Statistics (2003), section 7.1: the numbers of the bounds are quantiles of the
    binomial distribution of *n* and *share*.
    """
    count = len(values)
    if not count:
        return None
    low, high = _binomial_quantile(0.025, count, share), _binomial_quantile(0.975, count, share) + 1
    if low < 1 or high > count:
        return None
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    return Estimate(
        value=float(np.quantile(ordered, share)), low=float(ordered[low - 1]), high=float(ordered[high - 1])
    )


def _binomial_quantile(level: float, count: int, share: float) -> int:
    """The least number of successes that as many trials reach or stay below with chance *level*.

    As ``scipy.stats.binom.ppf``, whose import takes as long as a report without it.
    """
    found = math.ceil(bdtrik(level, count, share))
    below = max(found - 1, 0)
    return below if bdtr(below, count, share) >= level else found


def median_interval(values: Sequence[float]) -> Estimate | None:
    """The median with its interval; None with fewer than six values."""
    return quantile_interval(values, 0.5)


def mean_interval(values: Sequence[float]) -> Estimate | None:
    """The mean with Student's interval; None with fewer than three values."""
    count = len(values)
    if count < 3:
        return None
    found = np.asarray(values, dtype=np.float64)
    reach = float(stdtrit(count - 1, 0.975) * found.std(ddof=1) / math.sqrt(count))
    mean = float(found.mean())
    return Estimate(value=mean, low=mean - reach, high=mean + reach)


def mean_at_pace(values: Sequence[float], paces: Sequence[Sequence[float]]) -> Estimate | None:
    """The mean, with the interval that remains once *paces* have explained what they can of the scatter.

    Least squares of the values on the paces, each less its own mean: the constant is the mean of the values,
    its variance that of the residuals over their number (Cochran, Sampling Techniques (1977), section 7.3).
    So it is the interval of the mean *at the mean pace*, and says nothing on values at another one.

    Args:
        values: one for each round.
        paces: series of the same length. Without any that changes, or with rounds too few for them, it is
            Student's interval.
    """
    found = np.asarray(values, dtype=np.float64)
    moved = [each - each.mean() for each in map(np.asarray, paces) if np.ptp(each) > 0]
    free = len(found) - 1 - len(moved)
    if not moved or free < _FEWEST_FREE:
        return mean_interval(values)
    columns = np.column_stack(moved)
    best, *_ = np.linalg.lstsq(columns, found - found.mean(), rcond=None)
    left = found - found.mean() - columns @ best
    reach = float(stdtrit(free, 0.975) * math.sqrt(left @ left / free / len(found)))
    mean = float(found.mean())
    return Estimate(value=mean, low=mean - reach, high=mean + reach)


def difference(more: Estimate, less: Estimate) -> Estimate:
    """What *more* has above *less*, the two being independent: half-widths add up by squares."""
    value = more.value - less.value
    down = math.hypot(more.value - more.low, less.high - less.value)
    up = math.hypot(more.high - more.value, less.value - less.low)
    return Estimate(value=value, low=value - down, high=value + up)
