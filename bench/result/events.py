"""What happened under load at a known moment."""

from __future__ import annotations

from typing import Literal

from bench.result.base import Model

EventKind = Literal["config-update", "certificate-rotation", "fault", "healed", "abort"]


class RunEvent(Model):
    """One moment of one load."""

    trial: str
    """As in ``samples/timeseries.csv``."""
    at_s: float
    """Seconds since the start of the measured stage."""
    kind: EventKind
    label: str
    """For people."""
