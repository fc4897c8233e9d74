"""What a search for the capacity found: bounds, every trial with its verdict, what limits and why."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.result.base import Model
from bench.result.cost import CostModel, MemoryModel
from bench.result.load import ComponentCost, MachineUse

CapacityState = Literal["found", "at least", "generator-limited", "nothing good", "out of budget"]

ConstraintCode = Literal[
    "generator",
    "machine",
    "machine-disturbed",
    "cpu-quota",
    "gateway-worker-cpu",
    "one-gateway-worker",
    "sidecar-cpu",
    "node-cpu",
    "tls-handshakes",
    "circuit-breaker",
    "connection-pool",
    "client-connections",
    "ports",
    "memory",
    "unknown",
]


class CapacityTrial(Model):
    """One trial of the search."""

    rate: float
    """Requests per second asked for."""
    duration_s: float
    purpose: str
    """Why it was made: ``halve``, ``confirm upper``, ``soak`` …"""
    good: bool
    why: str
    """What the verdict rests on."""
    loss: float
    """Share of the due requests, by the limit that is hardest to meet."""
    due: int
    bad: int
    """Unsent, failed or misrouted."""
    misrouted: int
    """Of the bad ones."""
    slow: int
    """Answered rightly, and later than the limit."""
    response_time_p50: int | None
    response_time_p99: int | None
    """Microseconds."""
    generator_limited: bool = False
    window: int = 0
    """Number of the load that it was part of, from 0: several trials at one rate share one."""


class MoreConnections(Model):
    """A load at which only the client's connections were at their end: repeated with more, not judged."""

    rate: float
    """Requests per second asked for."""
    before: int
    after: int
    carried: float
    """Requests per second that came through with those of before."""
    evidence: str


class LaneUse(Model):
    """One thread that requests run on: a worker of an Envoy, a worker process of an nginx."""

    component: str
    lane: str
    ran_share: float
    """Of the window's seconds, those on a processor."""
    waited_share: float
    """Those in which it was runnable and others had the processors."""

    @property
    def wanted_share(self) -> float:
        """Those in which it had something to do."""
        return self.ran_share + self.waited_share


class PortsTaken(Model):
    """Local ports towards the address that has the fewest left."""

    address: str
    used: int
    available: int


class MemoryUse(Model):
    """A memory limit, and what it did in a window."""

    limit_bytes: int
    used_bytes: int
    """At the end."""
    refused: int
    """Times that the limit was hit."""
    killed: int


class RoleLoad(Model):
    """What the parts of one role carried together between two readings; None: unknown."""

    requests: int | None
    """Sidecars: all that they read or passed on; gateways: all that they sent on; nodes: all that came."""
    handshakes: int | None = None
    """TLS handshakes, full and resumed: proxies with what is behind them, nodes with proxies."""
    sessions_reused: int | None = None
    """Of the handshakes: resumed."""
    more_handshakes: bool = False
    """There were others that nobody counted."""


class CapacityWindow(Model):
    """One uninterrupted load, and what the parts used meanwhile."""

    rate: float
    duration_s: float
    sent: int
    read_s: float | None = None
    """Seconds between the readings of CPU and counters at both ends."""
    costs: tuple[ComponentCost, ...]
    generator_share: float | None
    """CPU seconds per second and load worker."""
    machine: MachineUse | None = None
    new_upstream_connections: int | None = None
    handshakes: int | None = None
    sessions_reused: int | None = None
    upstream_requests: int | None = None
    """That the gateway sent on in these seconds: under overload others than those that were due in them."""
    by_role: dict[str, RoleLoad] = Field(default_factory=dict)
    """Role of a component (``sidecar``, ``egress``, ``node``) -> what its parts carried between the readings:
    a request of the mix need not take every hop. Empty: nobody looked, as in results of before."""
    overflows: dict[str, int] = Field(default_factory=dict)
    """Proxy -> requests that a circuit breaker refused."""
    queued: dict[str, int] = Field(default_factory=dict)
    """Proxy -> times that a request found its pool at ``maxConnections`` and had to wait for one."""
    connect_failures: dict[str, int] = Field(default_factory=dict)
    """Proxy -> upstream connections that did not come about."""
    ports: dict[str, PortsTaken] = Field(default_factory=dict)
    """Proxy -> its local ports at the end."""
    replica_requests: dict[str, int] = Field(default_factory=dict)
    """Gateway, each replica by its name -> requests that it sent on in these seconds."""
    lanes: tuple[LaneUse, ...] = ()
    """Empty: this kernel does not report it."""
    memory: dict[str, MemoryUse] = Field(default_factory=dict)
    """Parts that have a memory limit."""
    worker_connections: tuple[int, ...] = ()
    """Connections of each worker of the gateway at the end."""
    mean_in_flight: float | None = None
    reasons: dict[str, int] = Field(default_factory=dict)
    body_bytes: int = 0
    """Of each request."""
    answer_bytes: int = 0
    """Of each answer's body; 0: the nodes' own pages, whose cost is in that of a request."""

    @property
    def carried(self) -> int:
        """Requests that were under way in these seconds, as far as anybody counted them."""
        return max(self.sent, self.upstream_requests or 0)


class ReplicaShare(Model):
    """What one of several gateways carried."""

    component: str
    requests: int
    share: float
    low: float
    high: float
    """Exact interval of 95 % (Clopper and Pearson)."""


class ReplicaSecond(Model):
    """One second of load."""

    due: int
    lost: int
    """Unsent, failed, misrouted or slower than the limit."""


class CurvePoint(Model):
    """Latency at one arrival rate, open loop."""

    rate: float
    """Requests/s."""
    seconds: float
    due: int
    good: int
    lost: int
    """Unsent, failed, misrouted or slower than the limit."""
    response_time_p50: int | None
    response_time_p99: int | None
    """Microseconds."""


class ScalingPoint(Model):
    """A search at one size."""

    size: int
    rate: float | None
    """Lower bound, requests/s; None: no rate met the limit."""
    limit: ConstraintCode | None
    """What limited there; None: nothing was overloaded."""


class ScalingResult(Model):
    """The universal scalability law, fitted to the bounds."""

    over: Literal["workers", "replicas"]
    """Of the gateway."""
    points: tuple[ScalingPoint, ...]
    rate_of_one: float
    """Requests/s."""
    contention: float
    """Share of the work that only one can do at a time."""
    coherence: float
    """What each pair costs the others."""
    peak: float | None
    """Size beyond which more makes less; None: there is none."""
    worst_error: float
    """Largest relative residual."""
    predicted: dict[int, float]
    """Size -> requests/s by the law, up to twice what was measured; nothing is predicted beyond."""


class KilledReplica(Model):
    """What it cost that one of several gateways ended under load."""

    component: str
    rate: float
    """Requests/s; the others can carry them."""
    killed_in: int
    """Number of the second in which it ended, from 0."""
    seconds: tuple[ReplicaSecond, ...]
    lost: int
    """From that second on."""
    due: int
    good_after_s: int | None
    """Seconds from its end until all were good again; None: not until the load's end."""


class Constraint(Model):
    """Something that was at its limit at the upper bound."""

    code: ConstraintCode
    evidence: str
    """In words, with its figures."""
    part: str | None = None
    """The component that was at its limit; None: none of the path's."""
    share: float | None = None
    """How much of the limit was used; None: it is counted, not measured."""


class CapacityResult(Model):
    """The answer of a search. Rates in requests/s."""

    limit: str
    """What a good trial must meet, in words."""
    config_source: str
    lowest: float
    highest: float
    """The range of the search."""
    width: float
    """Goal: upper and lower bound may differ by this share."""
    state: CapacityState | None = None
    """None: the search did not come to its end."""
    lower: float | None = None
    """Relevant lower bound."""
    upper: float | None = None
    """Relevant upper bound."""
    throughput: float | None = None
    """Conditional throughput: good answers/s at the lower bound in the worst of the trials that decide."""
    soaked: bool = False
    demoted: tuple[float, ...] = ()
    spent_s: float = 0.0
    misrouted: int = 0
    """Over all trials, warm-ups included."""
    nearest_miss: str | None = None
    """Where nothing was good: what the lowest rate missed, and by how much."""
    trials: tuple[CapacityTrial, ...] = ()
    more_connections: tuple[MoreConnections, ...] = ()
    """In the order in which the client opened them; empty: it had those of the scenario all the time."""
    windows: tuple[CapacityWindow, ...] = ()
    cost_windows: tuple[CapacityWindow, ...] = ()
    """Designed loads behind the cost models."""
    constraints: tuple[Constraint, ...] = ()
    """What limits, the binding one first; empty: nothing was overloaded."""
    replicas: tuple[ReplicaShare, ...] = ()
    """Of several gateways; empty: there is one."""
    killed: KilledReplica | None = None
    curve: tuple[CurvePoint, ...] = ()
    """Latency against arrival rate, in order of the rate; empty: not measured."""
    scaling: ScalingResult | None = None
    cost_models: tuple[CostModel, ...] = ()
    """Of gateway, sidecar and nodes; empty: none was measured."""
    memory_models: tuple[MemoryModel, ...] = ()
    """Of every part; empty: none was measured."""
    gateway_alone: float | None = None
    """What the gateway would carry by its CPU if nothing else were in its way; None: unknown."""
