"""The rows of ``samples/timeseries.csv``."""

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
