"""Intervals of 95 % for medians, means and differences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binom, t

from bench.result import Estimate


def quantile_interval(values: Sequence[float], share: float) -> Estimate | None:
    """A quantile with its distribution-free interval from order statistics; None with too few values for one.

    David and Nagaraja, Order Statistics (2003), section 7.1: the numbers of the bounds are quantiles of the
    binomial distribution of *n* and *share*.
    """
    count = len(values)
    if not count:
        return None
    low = int(binom.ppf(0.025, count, share))
    high = int(binom.ppf(0.975, count, share)) + 1
    if low < 1 or high > count:
        return None
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    return Estimate(
        value=float(np.quantile(ordered, share)), low=float(ordered[low - 1]), high=float(ordered[high - 1])
    )


def median_interval(values: Sequence[float]) -> Estimate | None:
    """The median with its interval; None with fewer than six values."""
    return quantile_interval(values, 0.5)


def mean_interval(values: Sequence[float]) -> Estimate | None:
    """The mean with Student's interval; None with fewer than three values."""
    count = len(values)
    if count < 3:
        return None
    found = np.asarray(values, dtype=np.float64)
    reach = float(t.ppf(0.975, count - 1) * found.std(ddof=1) / math.sqrt(count))
    mean = float(found.mean())
    return Estimate(value=mean, low=mean - reach, high=mean + reach)


def difference(more: Estimate, less: Estimate) -> Estimate:
    """What *more* has above *less*, the two being independent: half-widths add up by squares."""
    value = more.value - less.value
    down = math.hypot(more.value - more.low, less.high - less.value)
    up = math.hypot(more.high - more.value, less.value - less.low)
    return Estimate(value=value, low=value - down, high=value + up)
