"""Counters of the proxies that tell what refused or held up requests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.stack import Stack
from bench.telemetry import Admin

_REFUSED = r"^cluster\..*\.(upstream_rq_pending_overflow|upstream_cx_overflow|upstream_rq_retry_overflow)$"
_WORKERS = r"^listener\..*\.worker_\d+\.downstream_cx_active$"
_WORKER = re.compile(r"\.worker_(\d+)\.downstream_cx_active$")


@dataclass(frozen=True, slots=True)
class Pressure:
    """One moment of a proxy."""

    workers: int
    """Worker threads."""
    refused: int
    """Requests and connections that its circuit breakers refused since it started."""
    worker_connections: tuple[int, ...]
    """Downstream connections of each worker, all listeners but the admin's."""


def read_pressure(stack: Stack) -> dict[str, Pressure]:
    """Ask every Envoy of *stack*.

    Raises:
        StackError: one does not answer.
        MeasurementError: it answers with something else.
    """
    found = {}
    for part in stack.components():
        if part.admin_url is None:
            continue
        with Admin(part.admin_url, name=part.name) as admin:
            workers = admin.server_info().concurrency
            connections = [0] * workers
            for name, value in admin.stats(_WORKERS).items():
                match = _WORKER.search(name)
                if match is not None and int(match[1]) < workers and not name.startswith("listener.admin."):
                    connections[int(match[1])] += value
            found[part.name] = Pressure(workers, sum(admin.stats(_REFUSED).values()), tuple(connections))
    return found
