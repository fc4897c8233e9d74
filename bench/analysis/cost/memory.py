"""Memory of a part as a straight line over connections or clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.errors import MeasurementError
from bench.result.cost import MemoryModel

_T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447}
"""Student's t for a two-sided interval of 95 %, by degrees of freedom."""


@dataclass(frozen=True, slots=True)
class MemoryWindow:
    """What a part held with this many of something."""

    count: int
    held_bytes: int
    resident_bytes: int | None = None
    """Of its process, where that can be read."""


def fit_memory(
    part: str, windows: Sequence[MemoryWindow], *, each: Literal["connection", "cluster"] = "connection"
) -> MemoryModel:
    """Least squares: bytes = base + for_each · count, with the interval of the slope (Student's t).

    Raises:
        MeasurementError: fewer than three different counts.
    """
    if len({window.count for window in windows}) < 3:
        raise MeasurementError(f"the memory of {part} needs three different numbers of {each}s or more.")
    counts = np.array([window.count for window in windows], dtype=np.float64)
    held = np.array([window.held_bytes for window in windows], dtype=np.float64)
    spread = counts - counts.mean()
    slope = float(spread @ held / (spread @ spread))
    base = float(held.mean() - slope * counts.mean())
    free = len(windows) - 2
    errors = held - base - slope * counts
    deviation = float(np.sqrt(errors @ errors / free / (spread @ spread)))
    half = _T_95.get(free, 2.4) * deviation
    return MemoryModel(
        part=part,
        each=each,
        base_bytes=base,
        bytes_for_each=slope,
        low=slope - half,
        high=slope + half,
        least=int(counts.min()),
        most=int(counts.max()),
        resident_bytes=min(windows, key=lambda window: window.count).resident_bytes,
    )
