"""What the traffic of a run was asked to be."""

from __future__ import annotations

from typing import Literal

from bench.result.base import Model


class MixResult(Model):
    """One kind of request among the load."""

    name: str
    share: float
    """Its part of all requests, 0 to 1."""
    request: str
    """Method, URL and headers, as on a command line."""
    nodes: tuple[str, ...]
    """Who may answer; empty: a proxy."""


class TrafficResult(Model):
    """The load of each steady trial."""

    url: str
    schedule: Literal["constant", "poisson", "jitter", "ramp", "steps", "closed"]
    rates: tuple[float, ...]
    """Requests per second: one; of a ramp its two ends; of steps each; none of a closed loop."""
    connections: int
    keep_alive: bool
    requests_per_connection: int | None
    """Of the client's connections; None: no limit."""
    workers: int
    warm_up_s: float
    measure_s: float
    mix: tuple[MixResult, ...]
