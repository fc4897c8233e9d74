"""How rare misroutes must be, given how many answers were looked at: one bound wherever it is shown."""

from __future__ import annotations

import math

CONFIDENCE = 0.95


def misroute_upper_bound(misrouted: int, judged: int, *, confidence: float = CONFIDENCE) -> float | None:
    """One-sided exact upper bound (Clopper-Pearson) of the share of misroutes; None for nothing judged.

    Clopper and Pearson, Biometrika 26 (1934) 404. Without a misroute it is
    ``1 - (1 - confidence)^(1 / judged)``, which the rule of three approximates.

    Raises:
        ValueError: the counts are no counts, or the confidence is none.
    """
    if not 0 <= misrouted <= judged or not 0 < confidence < 1:
        raise ValueError("misrouted lies between 0 and judged, confidence between 0 and 1")
    if not judged:
        return None
    if misrouted == judged:
        return 1.0
    if not misrouted:
        return -math.expm1(math.log1p(-confidence) / judged)
    # The quantile of the beta distribution. Here and not above, and not from scipy.stats, which has a
    # better name for it: these imports take seconds, and a run that ends before its load needs none of them.
    from scipy.special import betaincinv  # noqa: PLC0415

    return float(betaincinv(misrouted + 1, judged - misrouted, confidence))
