"""The rows of ``samples/timeseries.csv`` and ``samples/parts.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SecondRow:
    """One second of one stage; durations in microseconds."""

    trial: str
    experiment: str
    stage: str
    kind: Literal["warm_up", "measure"]
    second: int
    """Whole seconds since the stage's start."""
    due: int
    answered: int
    bad: int
    response_time_p50: int | None
    response_time_max: int | None


@dataclass(frozen=True, slots=True)
class PartRow:
    """What one part used between two looks, about a second apart."""

    trial: str
    experiment: str
    at_s: float
    """Seconds from the start of the measured stage to the later look; negative: in the warm-up."""
    part: str
    cpus: float | None
    """CPU seconds per second."""
    memory_bytes: int
