"""Arrival schedules and connection behaviour, as a scenario writes them and as the generator reads them."""

from typing import Annotated, Literal

from pydantic import Field

from bench.scenario.written import Written

FASTEST = 10_000_000.0
"""Requests per second beyond which a rate is a slip of the pen."""
LONGEST_S = 7 * 86_400.0
"""Of a stage: a week."""
MOST_REQUESTS = 10_000_000_000
"""Of a stage: its request ids have ten digits for themselves."""

Rate = Annotated[float, Field(gt=0, le=FASTEST)]
Duration = Annotated[float, Field(gt=0, le=LONGEST_S)]


class Constant(Written):
    """Request *i* is due at ``start + i / arrival_rate``."""

    kind: Literal["constant"] = "constant"
    """Evenly spaced requests."""
    arrival_rate: Rate
    """Requests per second."""


class Poisson(Written):
    """Independent arrivals: exponential gaps, seeded."""

    kind: Literal["poisson"]
    """Independent arrivals, as of many users."""
    arrival_rate: Rate
    """Requests per second, on average."""
    seed: int = 1
    """Of the random gaps: the same seed makes the same schedule."""


class Jitter(Written):
    """Constant rate, each due time moved by up to half a gap either way, seeded."""

    kind: Literal["jitter"]
    """Evenly spaced with jitter."""
    arrival_rate: Rate
    """Requests per second."""
    seed: int = 1
    """Of the random shifts: the same seed makes the same schedule."""


class Ramp(Written):
    """The rate goes from ``from_rate`` to ``to_rate`` in a straight line over the stage."""

    kind: Literal["ramp"]
    """A rate that rises or falls in a straight line."""
    from_rate: float = Field(ge=0, le=FASTEST)
    """Requests per second at the start of the stage."""
    to_rate: Rate
    """Requests per second at its end."""


class Steps(Written):
    """Equal parts of the stage, each at its own constant rate."""

    kind: Literal["steps"]
    """Several rates, one after the other."""
    rates: tuple[Rate, ...] = Field(min_length=1, max_length=1000)
    """Requests per second of each step; all take equally long."""


class Closed(Written):
    """Each connection sends its next request when the last is answered. For saturation; labelled as such."""

    kind: Literal["closed"]
    """As fast as answers come."""


Schedule = Annotated[Constant | Poisson | Jitter | Ramp | Steps | Closed, Field(discriminator="kind")]


class Connections(Written):
    """How the client holds its connections."""

    count: int = Field(default=16, ge=1, le=100_000)
    """Connections that the load holds at once, of all clients and load processes together."""
    requests_per_connection: int | None = Field(default=None, ge=1)
    """Close after this many answers; None: keep open."""
    keep_alive: bool = True
    """Whether a connection carries more than one request."""
    idle_timeout_s: Duration | None = None
    """Seconds after which an idle connection is closed; absent: it stays open."""
    connect_timeout_s: Duration = 5.0
    """Seconds that a connection may take to come about."""
    read_timeout_s: Duration = 30.0
    """Seconds from the moment a request was sent within which its answer must be there, whole."""
    queue_limit: int = Field(default=100_000, ge=0, le=10_000_000)
    """Requests that may wait for a free connection; what comes on top is unsent."""

    @property
    def are_of_one_request(self) -> bool:
        """Whether no two requests share a connection."""
        return not self.keep_alive or self.requests_per_connection == 1


def mean_rate(schedule: Schedule) -> float | None:
    """Requests per second on average over a stage; None for a closed loop, which has no rate of its own."""
    match schedule:
        case Constant() | Poisson() | Jitter():
            return schedule.arrival_rate
        case Ramp():
            return (schedule.from_rate + schedule.to_rate) / 2
        case Steps():
            return sum(schedule.rates) / len(schedule.rates)
        case Closed():
            return None


def scaled(schedule: Schedule, factor: float) -> Schedule:
    """The same schedule at *factor* times its rate; a closed loop stays as it is."""
    match schedule:
        case Constant() | Poisson() | Jitter():
            return schedule.model_copy(update={"arrival_rate": schedule.arrival_rate * factor})
        case Ramp():
            ends = {"from_rate": schedule.from_rate * factor, "to_rate": schedule.to_rate * factor}
            return schedule.model_copy(update=ends)
        case Steps():
            return schedule.model_copy(update={"rates": tuple(rate * factor for rate in schedule.rates)})
        case Closed():
            return schedule
