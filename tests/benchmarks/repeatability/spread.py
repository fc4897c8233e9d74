"""How far apart the answers of several searches are, and how much of that is the machine's."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def spread_of(values: Sequence[float]) -> float:
    """Coefficient of variation."""
    return statistics.stdev(values) / statistics.mean(values)


def machine_could(capacity: Mapping[str, Any]) -> float | None:
    """Requests/s at which the processors would have been full at the lower bound, others' use left out."""
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
