"""What a search for the capacity found: bounds, every trial with its verdict, what limits and why."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.result.base import Model
from bench.result.cost import CostModel
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
    "circuit-breaker",
    "client-connections",
    "ports",
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


class CapacityWindow(Model):
    """One uninterrupted load, and what the parts used meanwhile."""

    rate: float
    duration_s: float
    sent: int
    costs: tuple[ComponentCost, ...]
    generator_share: float | None
    """CPU seconds per second and load worker."""
    machine: MachineUse | None = None
    new_upstream_connections: int | None = None
    handshakes: int | None = None
    sessions_reused: int | None = None
    overflows: dict[str, int] = Field(default_factory=dict)
    """Proxy -> requests and connections that a circuit breaker refused."""
    worker_connections: tuple[int, ...] = ()
    """Connections of each worker of the gateway at the end."""
    mean_in_flight: float | None = None
    reasons: dict[str, int] = Field(default_factory=dict)
    body_bytes: int = 0
    """Of each request."""


class Constraint(Model):
    """Something that was at its limit at the upper bound."""

    code: ConstraintCode
    evidence: str


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
    windows: tuple[CapacityWindow, ...] = ()
    cost_windows: tuple[CapacityWindow, ...] = ()
    """Designed loads behind the cost models."""
    constraints: tuple[Constraint, ...] = ()
    """What limits, the binding one first; empty: nothing was overloaded."""
    cost_models: tuple[CostModel, ...] = ()
    """Of gateway, sidecar and nodes; empty: none was measured."""
    gateway_alone: float | None = None
    """What the gateway would carry by its CPU if nothing else were in its way; None: unknown."""
