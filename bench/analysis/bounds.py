"""What a count that stayed zero says about the rate behind it."""

from __future__ import annotations


def rule_of_three(trials: int) -> float | None:
    """Upper bound, at 95 % confidence, of a rate that showed no event in *trials*; None without trials.

    3/n is slightly above the exact ``1 - 0.05**(1/n)``. Hanley and Lippman-Hand, JAMA 249 (1983) 1743.
    """
    return min(1.0, 3 / trials) if trials > 0 else None
