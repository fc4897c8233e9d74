"""What the parts cost, as a model with intervals, and a plan that was made from it."""

from __future__ import annotations

from typing import Literal

from bench.result.base import Model


class CostTerm(Model):
    """One term of a cost model."""

    name: str
    """``base`` (for each second), ``request``, ``full_handshake``, ``resumed_handshake``, ``mb_in`` …"""
    joined_with: tuple[str, ...] = ()
    """Terms that moved along in every window: their cost is in this one, at the ratio that was measured."""
    cpu_s: float
    """CPU seconds for one of them."""
    low: float
    high: float
    """Interval of 95 %."""


class Residual(Model):
    """One window against the model."""

    rate: float
    """Requests/s."""
    measured_cpus: float
    """CPU seconds per second."""
    error: float
    """Model minus measured, relative."""


class CostModel(Model):
    """CPU seconds of one part."""

    part: str
    """``gateway``, ``sidecar`` or ``node``."""
    terms: tuple[CostTerm, ...]
    never: tuple[str, ...] = ()
    """Terms that did not occur."""
    condition: float
    """Of the design; above 30 some terms were joined."""
    residuals: tuple[Residual, ...]
    ranges: dict[str, tuple[float, float]]
    """Term -> lowest and highest amount that was measured: requests per second, the others per request."""
    draws: tuple[tuple[float, ...], ...] = ()
    """Resampled terms, for intervals of predictions."""

    def term(self, name: str) -> CostTerm | None:
        """The term of this name; None: it was joined with another, or did not occur."""
        return next((term for term in self.terms if term.name == name), None)


class MemoryModel(Model):
    """Memory of one part: a base, and so much for each connection or cluster."""

    part: str
    """The component."""
    each: Literal["connection", "cluster"]
    """What the memory is for; a connection is one through the whole path, both ends of the part included."""
    base_bytes: float
    bytes_for_each: float
    low: float
    high: float
    """Interval of 95 %."""
    least: int = 0
    most: int
    """As few and as many were measured."""
    resident_bytes: int | None = None
    """What the part's process held with the fewest, its code and free pages included; None: not readable."""


class PlanQuestion(Model):
    """What a gateway is to carry."""

    rate: float
    """Requests/s of all pods together."""
    new_connections: float
    """New upstream connections for each request: 0.05 is one in twenty requests."""
    resumed: float
    """Share of these whose handshake is resumed."""
    body_bytes: int
    """Of each request."""
    answer_bytes: int = 0
    """Of each answer's body, beyond a page as small as the nodes' own."""
    cpu_per_pod: float
    """CPUs that a pod requests and is held to."""
    headroom: float
    """Share of them that stays free, and of the memory."""
    zones: int
    memory_per_pod_bytes: int | None = None
    """Memory that a pod requests and is held to; None: not asked."""
    connections: int = 0
    """Client connections that are open at a time, of all pods together."""
    clusters: int | None = None
    """Clusters of the gateway's configuration; None: as many as were measured."""


class PlanWall(Model):
    """One thing that a pod can run out of."""

    name: str
    used: float
    """Share that the planned load uses; what has the highest breaks first."""
    text: str


class WhatIf(Model):
    """The same question, one thing changed."""

    change: str
    replicas: int | None
    """None: cannot be determined, or cannot be done."""
    note: str = ""


class PlanResult(Model):
    """The answer."""

    question: PlanQuestion
    replicas: int
    """For the rate alone."""
    replicas_low: int
    replicas_high: int
    """Interval of 95 %, from that of the cost model."""
    with_spare: int
    """Enough that the rate is carried with one zone lost (with one zone: one pod)."""
    per_pod: float
    """Requests/s that one pod carries within its headroom."""
    cpu_us_per_request: float
    """Of this mix, without the base."""
    walls: tuple[PlanWall, ...]
    """What breaks first is first."""
    what_if: tuple[WhatIf, ...]
    hpa_target_percent: int
    """Average CPU of the pods, in per cent of their request, at which one more is started."""
    warnings: tuple[str, ...]
    yaml: str
    """Resources and a HorizontalPodAutoscaler, to be pasted."""
