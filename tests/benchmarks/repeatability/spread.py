"""How far apart the answers of several searches are, and how much of that is the machine's."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from tests.benchmarks.repeatability.searches import Found

_LEAST = 4
"""Searches, to tell what a line through them leaves."""


def spread_of(values: Sequence[float]) -> float:
    """Coefficient of variation."""
    return statistics.stdev(values) / statistics.mean(values)


def unexplained(found: Sequence[Found]) -> float | None:
    """The spread of bounds that the pace of a bare loop leaves; None of too few.

    The residual standard deviation of a line through the logarithms of both: how much a proxy suffers where
    the loop does is taken from the same searches, which costs a degree of freedom.
    """
    pairs = [(each.pace_s, each.lower) for each in found if each.lower]
    if len(pairs) < _LEAST:
        return None
    pace, bounds = np.log(np.array(pairs)).T
    left = bounds - np.polyval(np.polyfit(pace, bounds, 1), pace)
    return float(np.sqrt(np.sum(left**2) / (len(pairs) - 2)))


def machine_could(found: Found) -> float | None:
    """Requests/s at which the processors would have been full at the lower bound, others' use left out."""
    capacity = found.capacity
    windows = [
        capacity["windows"][trial["window"]]
        for trial in capacity["trials"]
        if trial["rate"] == capacity["lower"]
    ]
    uses = [window["machine"] for window in windows if window["machine"] is not None]
    shares = [
        use["ours_share"] / (1 - (use["others_share"] or 0.0))
        for use in uses
        if use["ours_share"] and (use["others_share"] or 0.0) < 1
    ]
    return capacity["lower"] / statistics.median(shares) if shares else None
