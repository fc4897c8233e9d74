"""What a running load reports while it runs. Times are ``time.monotonic()`` of this machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage's schedule begins now; *at* is its exact start."""

    stage: str
    kind: str
    at: float


@dataclass(frozen=True, slots=True)
class StageEnded:
    """A stage's schedule is over; *at* is its exact end. Requests may still be in flight."""

    stage: str
    kind: str
    at: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Twice a second: counts of the whole run so far, percentiles (µs) since the last one."""

    stage: str
    elapsed_s: float
    """Since the first stage's start."""
    remaining_s: float
    """Until the last stage's end."""
    due: int
    sent: int
    answered: int
    bad: int
    """Failed, misrouted or unsent."""
    p50: int | None
    p99: int | None


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker vanished in the middle."""

    worker: str
    detail: str


@dataclass(frozen=True, slots=True)
class RemoteWorkersStatus:
    """Workers are to come from elsewhere; reported at the start and whenever one has come."""

    present: int
    """Workers that are there, those of this machine included."""
    expected: int
    host: str
    """Address on which they are awaited; ``0.0.0.0`` or ``*``: on all of this machine."""
    port: int
    token: str = ""
    """What they must know."""


LoadEvent = StageStarted | StageEnded | Progress | WorkerLost | RemoteWorkersStatus
