"""What load showed: latency, counts and costs of a trial."""

from __future__ import annotations

from typing import Literal

from bench.result.base import Model
from bench.result.counts import Counts
from bench.result.ledger import LedgerResult
from bench.result.way import HopTimes


class Latency(Model):
    """Percentiles of one distribution in microseconds. None: fewer than ten samples lie beyond it."""

    samples: int
    p50: int | None = None
    p90: int | None = None
    p99: int | None = None
    p999: int | None = None
    maximum: int | None = None
    """None only without samples."""
    mean: float | None = None


class SubsetResult(Counts):
    """One subset, or the whole, of one stage."""

    name: str
    response_time: Latency
    service_time: Latency
    lag: Latency


class ComponentCost(Model):
    """What one part cost in one measured stage."""

    component: str
    role: Literal["sidecar", "egress", "node", "generator"]
    cpu_seconds: float | None
    cpu_us_per_request: float | None
    memory_bytes: int | None
    """Peak of proportional (PSS) or resident memory during the stage."""
    cpu_periods: int | None = None
    """Periods of its CPU limit in which it had something to do; None: no limit, or not counted."""
    throttled_periods: int | None = None
    """Those in which it used its share up and had to wait."""
    throttled_s: float | None = None
    """How long it waited."""


class MachineUse(Model):
    """Whose the machine was during a measured stage, as shares of all its processors. None: unknown."""

    ours_share: float | None
    """The suite, the generator and every part of the run."""
    others_share: float | None
    """Everybody else on this machine."""
    idle_share: float | None
    steal_share: float | None
    """What the host of a virtual machine took away."""
    waiting_share: float | None = None
    """Share of the time in which some task, ours or another, waited for a processor."""


class StageCounts(Model):
    """How the requests of one stage ended: those of a warm-up are answers, too."""

    name: str
    kind: Literal["warm_up", "measure"]
    subsets: dict[str, Counts]
    """By kind of request."""

    @property
    def total(self) -> Counts:
        """All kinds together."""
        return Counts.sum(self.subsets.values())


class TrialResult(Model):
    """One execution of load against one stack: warm-up and a measured stage."""

    name: str
    """E.g. ``1: static``: its place among the run's trials, and its stack."""
    experiment: Literal["steady", "handshake"]
    config_source: Literal["static", "eds", "ads", "ads-delta"] | None
    """None where the path is not ours."""
    variant: str | None = None
    """The variant that ran, of a comparison of variants; None: no such comparison."""
    block: int
    position: int
    started_at: str
    """UTC, ISO 8601."""
    duration_s: float
    arrival_rate: float | None
    """Requests per second intended; None for a closed loop."""
    achieved_rate: float
    """Requests per second sent."""
    subsets: tuple[SubsetResult, ...]
    total: SubsetResult
    costs: tuple[ComponentCost, ...]
    new_upstream_connections: int | None = None
    """Opened by the gateway during the measured stage."""
    handshakes: int | None = None
    """``ssl.handshake`` of the gateway's clusters during the measured stage."""
    sessions_reused: int | None = None
    ledger: LedgerResult | None = None
    """None where the path is not ours to look into."""
    stages: tuple[StageCounts, ...] = ()
    """Every stage as far as it came, warm-up included; empty in results of older versions."""
    machine: MachineUse | None = None
    """Whose the machine was meanwhile; None: nothing was read."""
    hop_times: HopTimes | None = None
    """Of the measured stage; None: not sampled, or no proxy reads these requests."""
    aborted: str | None = None
    """Why the trial ended before its time; its figures are of what was done until then. None: it did not."""


class Comparison(Model):
    """One metric of two config sources, baseline and candidate, over interleaved blocks."""

    metric: str
    unit: str
    scope: Literal["load", "process"]
    """What a value is of: the load of a block, new in each; or a process that lived through all blocks."""
    baseline: str = "static"
    """Config source of the first."""
    candidate: str = "eds"
    static: tuple[float, ...]
    """The baseline's: one value for each block, in block order."""
    eds: tuple[float, ...]
    """The candidate's."""


class FailureExample(Model):
    """The first request of a kind of failure, whole."""

    trial: str
    subset: str
    reason: str
    """``Reason.key``."""
    request: str
    response: str
    """As received, cut; empty if nothing came."""


class GeneratorResult(Model):
    """Can the generator be trusted? Over all measured stages."""

    cpu_us_per_request: float | None
    cpu_share: float | None
    """CPU seconds per wall second and worker, 0 to 1."""
    lag: Latency
    connects: int
    workers: int
    mean_in_flight: float | None = None
    """Requests under way, sampled."""
    little_in_flight: float | None = None
    """The same by Little's law: answers per second times mean service time."""
    own_lag: Latency | None = None
    """The part of the lag in which a connection was free: the generator's own. None in older results."""
    waited: Latency | None = None
    """The part in which none was free: what the path, or too few connections, made requests wait."""
    mean_queued: float | None = None
    """Requests that waited for a connection, sampled."""
    little_queued: float | None = None
    """The same by Little's law: requests sent per second times mean wait."""
    connections: int | None = None
    """As many as may be open at a time."""
    connections_needed: int | None = None
    """As many as would carry the intended rate at the service time of this run."""
    null_target_baseline: Latency | None = None
    """Response time of the same load on a stub that answers at once: what the generator adds by itself."""
    baseline_counts: Counts | None = None
    """How the requests of that load ended; None in results of older versions."""
    involuntary_context_switches: int | None = None
    client_handshakes: int | None = None
    """TLS handshakes of the client's own; None: its requests need none, or an older result."""
    client_handshake_time: Latency | None = None
    """Of each, from the TCP connection on, as the client saw it."""
    first_byte_time: Latency | None = None
    """Of exchanges of bytes: from the start of the connection until the first byte of the answer."""
    exchanges_per_s: float | None = None
    """Connections opened for exchanges of bytes, per second; the warm-up's are among them."""
    received_bytes: int | None = None
    """Of the answers to exchanges of bytes."""
    reconnects: int = 0
