"""The law of handshakes: how many new connections a gateway opens for a rate of requests.

A connection ends after its last allowed request, or when none comes for the idle timeout. Envoy keeps a pool
for each worker and host. With *p* the chance that the pause before a pool's next request exceeds the idle
timeout, and *k* requests for each connection, a connection carries ``(1 - (1 - p)^k) / p`` requests on
average (the mean of a geometric variable that is cut off at *k*); at ``p = 0`` that is *k*, without a limit
``1 / p``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Pool:
    """How connections to the nodes are used."""

    rate: float
    """Requests per second of all together, at equal distances."""
    workers: int = 1
    """Worker threads that take requests, in equal parts."""
    nodes: int = 1
    requests_per_connection: int | None = None
    """The lower of the gateway's and the node's limit; None: without one."""
    idle_timeout_s: float | None = None
    """None: longer than any pause."""
    balancing: Literal["ROUND_ROBIN", "RANDOM"] = "ROUND_ROBIN"


def handshakes_per_s(pool: Pool) -> float:
    """Handshakes per second in the steady state; HTTP/2 and HTTP/1.1 differ in neither term.

    Pools with requests that overlap hold more connections at once, each of which still carries *k* requests.
    """
    pause = _long_pause(pool)
    limit = pool.requests_per_connection
    if pause <= 0:
        return pool.rate / limit if limit is not None else 0.0
    carried = 1 / pause if limit is None else (1 - (1 - pause) ** limit) / pause
    return pool.rate / carried


def _long_pause(pool: Pool) -> float:
    """Chance that a pool's next request comes after the idle timeout.

    Requests come at equal distances. In turn, each pool gets every so-manieth; by lot, the pause is
    geometric.
    """
    if pool.idle_timeout_s is None:
        return 0.0
    pools = pool.workers * pool.nodes
    distance = 1 / pool.rate
    if pool.workers == 1 and (pool.nodes == 1 or pool.balancing == "ROUND_ROBIN"):
        return 1.0 if pools * distance > pool.idle_timeout_s else 0.0
    # The pause is n distances with the chance (1 - 1/pools)^(n - 1) / pools.
    longest = math.floor(pool.idle_timeout_s / distance + 1e-9)
    return (1 - 1 / pools) ** longest
