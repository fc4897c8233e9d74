"""Counters of the proxies that show what refused or held up requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.placement import Address
from bench.stack import Component, Stack
from bench.telemetry import Admin, PortUse, read_port_use

_REFUSED = re.compile(r"\.(upstream_rq_pending_overflow|upstream_rq_retry_overflow)$")
"""Requests that were answered with UO."""
_QUEUED = re.compile(r"\.upstream_cx_overflow$")
"""No further connection was allowed: the request waits for one, it is not refused."""
_FAILED = re.compile(r"\.upstream_cx_connect_fail$")
_CLUSTERS = (
    r"^cluster\..*\.(upstream_rq_pending_overflow|upstream_rq_retry_overflow|upstream_cx_overflow"
    r"|upstream_cx_connect_fail)$"
)
_WORKERS = r"^listener\..*\.worker_\d+\.downstream_cx_active$"
_WORKER = re.compile(r"\.worker_(\d+)\.downstream_cx_active$")


@dataclass(frozen=True, slots=True)
class Pressure:
    """One moment of a proxy; what is counted is counted since it started."""

    workers: int
    """Worker threads."""
    refused: int
    """Requests that its circuit breakers refused."""
    worker_connections: tuple[int, ...]
    """Downstream connections of each worker, all listeners but the admin's."""
    queued: int = 0
    """Requests that found a pool of connections at its maximum."""
    connect_failures: int = 0
    """Upstream connections that did not come about."""
    ports: PortUse | None = None
    """Where it has the fewest local ports left."""


def read_pressure(stack: Stack) -> dict[str, Pressure]:
    """Ask every Envoy of *stack*.

    Raises:
        StackError: one does not answer.
        MeasurementError: it answers with something else.
    """
    parts = stack.components()
    addresses = {address for part in parts for address in part.addresses.values()}
    return {part.name: _read(part, addresses) for part in parts if part.admin_url is not None}


def _read(part: Component, addresses: Iterable[Address]) -> Pressure:
    assert part.admin_url is not None  # noqa: S101 - the caller has looked
    with Admin(part.admin_url, name=part.name) as admin:
        workers = admin.server_info().concurrency
        connections = [0] * workers
        for name, value in admin.stats(_WORKERS).items():
            match = _WORKER.search(name)
            if match is not None and int(match[1]) < workers and not name.startswith("listener.admin."):
                connections[int(match[1])] += value
        counters = admin.stats(_CLUSTERS)
    return Pressure(
        workers=workers,
        refused=_sum(counters, _REFUSED),
        worker_connections=tuple(connections),
        queued=_sum(counters, _QUEUED),
        connect_failures=_sum(counters, _FAILED),
        ports=read_port_use(part.pid, addresses) if part.pid is not None else None,
    )


def _sum(counters: Mapping[str, int], kind: re.Pattern[str]) -> int:
    return sum(value for name, value in counters.items() if kind.search(name))
