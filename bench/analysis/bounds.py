"""Exact bounds and chances of shares: how rare misroutes must be, what part of a load a replica got."""

from __future__ import annotations

import math

CONFIDENCE = 0.95


def misroute_upper_bound(misrouted: int, judged: int, *, confidence: float = CONFIDENCE) -> float | None:
    """One-sided exact upper bound (Clopper-Pearson) of the share of misroutes; None for nothing judged.

    Clopper and Pearson, Biometrika 26 (1934) 404. Without a misroute it is
    ``1 - (1 - confidence)^(1 / judged)``, which the rule of three approximates.

    Raises:
        ValueError: the counts are not counts, or the confidence is none.
    """
    if not 0 <= misrouted <= judged or not 0 < confidence < 1:
        raise ValueError("misrouted lies between 0 and judged, confidence between 0 and 1")
    if not judged:
        return None
    if misrouted == judged:
        return 1.0
    if not misrouted:
        return -math.expm1(math.log1p(-confidence) / judged)
    return _beta_quantile(confidence, misrouted + 1, judged - misrouted)


def share_interval(count: int, whole: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided exact interval (Clopper-Pearson) of a share of which *count* of *whole* were seen.

    Raises:
        ValueError: the counts are not counts, or the confidence is none.
    """
    if not 0 <= count <= whole or not whole or not 0 < confidence < 1:
        raise ValueError("count lies between 0 and whole, which is above 0; confidence between 0 and 1")
    tail = (1 - confidence) / 2
    low = _beta_quantile(tail, count, whole - count + 1) if count else 0.0
    high = _beta_quantile(1 - tail, count + 1, whole - count) if count < whole else 1.0
    return low, high


def chance_of_at_least(count: int, whole: int, probability: float) -> float:
    """How probable *count* or more of *whole* are, if each has this probability (binomial).

    Raises:
        ValueError: the counts are not counts, or the probability is none.
    """
    if not 0 <= count <= whole or not 0 <= probability <= 1:
        raise ValueError("count lies between 0 and whole, the probability between 0 and 1")
    if not count:
        return 1.0
    # As ``scipy.stats.binom.sf(count - 1, …)``; see below why not by that name.
    from scipy.special import betainc  # noqa: PLC0415

    return float(betainc(count, whole - count + 1, probability))


def _beta_quantile(probability: float, a: float, b: float) -> float:
    # Here and not above, and not from scipy.stats, which has a
    # better name for it: these imports take seconds, and a run that ends before its load needs none of them.
    from scipy.special import betaincinv  # noqa: PLC0415

    return float(betaincinv(a, b, probability))
