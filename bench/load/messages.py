"""What the processes of one load say to each other: typed, and validated where they arrive.

Participants talk to the coordinator over Locust's own channel, the coordinator to the process above in JSON
lines through a pipe; the plan travels with the order to set up.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bench.load.outcome import Example
from bench.load.plan import LoadPlan
from bench.result.reasons import ReasonCode

Packed = tuple[str, str]
"""Distinct numbers and how often each occurs; see ``bench.load.packing``."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- what an engine has to report


class BucketDelta(_Message):
    """One kind of request in one stage, since the last report."""

    stage: int
    kind: int
    due: int
    sent: int
    answered: int
    failed: int
    misrouted: int
    unsent: int
    answered_by: dict[str, int]
    """Node -> right answers, where several nodes may answer."""
    reasons: dict[str, int]
    """``Reason.key`` -> requests."""
    ended: dict[ReasonCode, str]
    """Sequence numbers of those that ended badly, where the proxies may know another story."""
    response: Packed
    """Seconds from the stage's start and histogram buckets in one number."""
    service: Packed
    lag: Packed
    waited: Packed
    """The part of the lag in which no connection was free."""
    own_lag: Packed
    """The other part: a connection was free, and the engine was late."""
    bad_seconds: Packed
    slow_moments: Packed
    """Moments with long service times; see ``bench.analysis.moments``."""
    late_moments: Packed
    """Moments in which the engine was late by long."""


class UsageSoFar(_Message):
    """What the engine itself cost in the measured stages, from the start until now."""

    cpu_seconds: float
    switches: int
    """Involuntary context switches."""
    requests: int
    connects: int
    reconnects: int
    in_flight_sum: int
    """Requests on a connection, added up over the samples."""
    queued_sum: int
    """Requests that waited for one, in the same way."""
    in_flight_samples: int
    connections: int
    """As many as may be open at a time."""


class Delta(_Message):
    """All counts since the last report."""

    number: int | None = None
    """Counts a participant's reports from 1, so that a lost one is noticed."""
    buckets: tuple[BucketDelta, ...]
    connects: Packed | None = None
    handshakes: Packed | None = None
    """TLS handshakes of the client, timed from the TCP connection on."""
    first_bytes: Packed | None = None
    """Of exchanges of bytes: from the start of the connection until the first byte of the answer."""
    received: int = 0
    """Bytes of their answers."""
    examples: tuple[Example, ...] = ()
    usage: UsageSoFar | None = None


# --- participant to coordinator


class _FromParticipant(_Message):
    participant: str
    group: str


class Join(_FromParticipant):
    """It is there, and waits for its share."""

    type: Literal["join"] = "join"
    host: str
    pid: int
    clock: str
    """Names the monotonic clock; equal for two processes exactly if they share it."""


class Ready(_FromParticipant):
    """Its connections are open."""

    type: Literal["ready"] = "ready"
    run: int


class Done(_FromParticipant):
    """Its share is over, and everything reported."""

    type: Literal["done"] = "done"
    run: int
    reason: str | None = None
    """Why early; None: in full."""


class Failed(_FromParticipant):
    """It cannot do its share."""

    type: Literal["failed"] = "failed"
    run: int
    what: str
    remedy: str | None = None


class Report(_Message):
    """Counts of a participant; travels with Locust's own reports."""

    participant: str
    run: int
    delta: Delta


ParticipantMessage = Annotated[Join | Ready | Done | Failed, Field(discriminator="type")]
PARTICIPANT_MESSAGE: TypeAdapter[Join | Ready | Done | Failed] = TypeAdapter(ParticipantMessage)


# --- coordinator to participant


class _Order(_Message):
    participant: str


class SetUp(_Order):
    """Take this share of this plan, and open the connections."""

    type: Literal["setup"] = "setup"
    run: int
    """Counts the plans of one Locust from 1: what is said of an earlier one comes too late."""
    plan: LoadPlan
    index: int
    total: int


class Go(_Order):
    """Start at that time."""

    type: Literal["go"] = "go"
    at: float | None
    """On the monotonic clock; None: it is another machine's."""
    in_s: float
    """How long that is from now."""


class Stop(_Order):
    """End early."""

    type: Literal["stop"] = "stop"
    reason: str


Order = SetUp | Go | Stop
ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="type")])


# --- coordinator to the process above


class WorkersPresent(_Message):
    """This many Locust workers have come."""

    type: Literal["present"] = "present"
    workers: int


class StandingBy(_Message):
    """All participants have joined and wait for a plan."""

    type: Literal["standing-by"] = "standing-by"


class ShareGiven(_Message):
    """A participant has its share."""

    type: Literal["share"] = "share"
    worker: str
    """The participant's id."""
    name: str
    """For people."""
    index: int
    total: int


class Began(_Message):
    """The schedule begins, at this time on the monotonic clock."""

    type: Literal["began"] = "began"
    at: float


class Counted(_Message):
    """A participant's report."""

    type: Literal["counted"] = "counted"
    worker: str
    delta: Delta


class Lost(_Message):
    """A participant vanished."""

    type: Literal["lost"] = "lost"
    worker: str
    detail: str


class Broke(_Message):
    """The run cannot go on."""

    type: Literal["broke"] = "broke"
    what: str
    remedy: str | None = None


class Over(_Message):
    """All participants are done."""

    type: Literal["over"] = "over"
    reason: str | None
    """Why early; None: in full."""


Event = WorkersPresent | StandingBy | ShareGiven | Began | Counted | Lost | Broke | Over
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


# --- the process above to the coordinator


class RunPlan(_Message):
    """Carry out this plan."""

    type: Literal["run"] = "run"
    plan: str
    """Path of its file."""


class StopRun(_Message):
    """End the plan that is being carried out."""

    type: Literal["stop"] = "stop"
    reason: str


class WorkerGone(_Message):
    """A Locust worker process of this machine has ended."""

    type: Literal["gone"] = "gone"
    pid: int
    detail: str


class Quit(_Message):
    """End Locust."""

    type: Literal["quit"] = "quit"


Command = RunPlan | StopRun | WorkerGone | Quit
COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])


def line_of(message: Event | Command) -> bytes:
    """One line for a pipe."""
    return message.model_dump_json().encode() + b"\n"
