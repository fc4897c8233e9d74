"""What the generator returns: exact counts and mergeable histograms, per stage and subset."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from bench.result import SubsetOutcome
from bench.result.reasons import ReasonCode


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EndedIds(_Model):
    """Which requests ended in one way without a right answer."""

    code: ReasonCode
    sequences: str
    """Their sequence numbers, packed; see ``bench.load.unpack_sequences``."""


class StageOutcome(_Model):
    """One stage over all workers."""

    name: str
    kind: Literal["warm_up", "measure"]
    duration_s: float
    """From the first due time to the end of the stage's schedule."""
    open_loop: bool
    intended: int
    """Requests that the schedule holds."""
    subsets: tuple[SubsetOutcome, ...]
    waited: str | None = None
    """Of all requests that were sent, how long they waited because no connection was free: histogram, µs."""
    own_lag: str | None = None
    """How late they left although a connection was free: the generator's own part of the lag."""
    slow_moments: dict[str, dict[int, int]] = {}
    """Subset -> moments in which requests with long service times were sent -> the longest, µs."""
    late_moments: dict[int, int] = {}
    """Moments in which the generator was late by long although a connection was free -> the longest, µs."""
    ended: tuple[EndedIds, ...] = ()
    """Ids of all requests without a right answer: those with one are the rest.
    What a lost worker did not report is not among them."""
    has_all_ended: bool = True
    """False: there were more ids than are kept, and the rest is only counted."""


class Example(_Model):
    """The first request of a kind of failure, whole."""

    stage: str
    subset: str
    reason: str
    """``Reason.key``."""
    request: str
    response: str
    """As received, cut at 4 KiB; empty if nothing came."""


class Generator(_Model):
    """What the generator itself cost and how well it kept its schedule, over the measured stages."""

    cpu_seconds: float
    """User and system time of all workers."""
    requests: int
    workers: int
    connects: int
    """Connections opened, the first ones included."""
    connect_time: str | None = None
    """Histogram of connect times."""
    handshake_time: str | None = None
    """Histogram of the client's own TLS handshakes, from the TCP connection on; None: it made none."""
    first_byte_time: str | None = None
    """Of exchanges of bytes: from the start of the connection to the first byte; None: there were none."""
    received_bytes: int | None = None
    """Of their answers."""
    involuntary_context_switches: int | None = None
    mean_in_flight: float | None = None
    """Sampled, for Little's law: requests on a connection, over the measured stages."""
    mean_queued: float | None = None
    """Sampled with it: requests that waited for a free connection."""
    connections: int | None = None
    """As many as may be open at a time."""
    in_flight_samples: int | None = None
    """How many samples are behind that mean, over all workers."""
    reconnects: int = 0
    """Connections opened in place of an earlier one."""


class Second(_Model):
    """One second of a stage, for the chart over time."""

    stage: str
    second: int
    """Whole seconds since the stage's start."""
    due: int
    """Requests due in this second whose ending is known: not those that a lost worker took with it."""
    answered: int
    bad: int
    response_time_p50: int | None
    response_time_max: int | None
    """Microseconds."""


class LostShare(_Model):
    """Every *total*-th request of each stage, beginning with number *index*."""

    index: int
    total: int


class LoadOutcome(_Model):
    """All that one trial of load produced."""

    stages: tuple[StageOutcome, ...]
    generator: Generator
    examples: tuple[Example, ...] = ()
    seconds: tuple[Second, ...] = ()
    lost_shares: tuple[LostShare, ...] = ()
    """The shares of workers that vanished: of their ids it is unknown which were sent."""
    lost_workers: tuple[str, ...] = ()
    """Workers that vanished in the middle, each with what is known of it."""
    complete: bool = True
    """False: stopped before the schedule's end; the counts then hold what was due until then."""
    reason: str | None = None
    """Why it is not complete."""
