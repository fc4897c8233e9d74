"""Readings of a running stack at the edges of a measured window: CPU, memory, the gateway's TLS counters."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bench.errors import MeasurementError
from bench.result import ComponentCost
from bench.stack import Component, Stack
from bench.telemetry.admin import Admin, Snapshot, difference, total
from bench.telemetry.containers import Throttling, read_containers, read_throttling
from bench.telemetry.usage import Usage, read_usage

_TLS_COUNTERS = r"^cluster\..*\.(upstream_cx_total|ssl\.handshake|ssl\.session_reused)$"


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """What the gateway's clusters counted in a window."""

    connections: int
    """Upstream connections opened."""
    handshakes: int
    """Handshakes completed, full and resumed."""
    resumed: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment of a stack."""

    wall_us: int
    """Microseconds since the epoch, as access logs count."""
    usage: Mapping[str, Usage | None]
    throttling: Mapping[str, Throttling]
    """Of the parts that a CPU limit can hold back."""
    gateway: Snapshot

    def tls_until(self, later: Reading) -> UpstreamTls | None:
        """What the gateway's clusters counted between two readings.

        None if it was restarted in between, or somebody reset its counters: the books of the trial say so.
        """
        try:
            rises = difference(self.gateway, later.gateway)
        except MeasurementError:
            return None
        return UpstreamTls(
            connections=total(rises, "upstream_cx_total"),
            handshakes=total(rises, "ssl.handshake"),
            resumed=total(rises, "ssl.session_reused"),
        )


class Meter:
    """Takes readings of one stack. Close it, or use it as a context manager."""

    def __init__(self, stack: Stack, gateway: str) -> None:
        self._parts = tuple(stack.components())
        self._admin = Admin(_admin_url(stack.component(gateway)), name=gateway)

    def read(self) -> Reading:
        """Read everything once, which takes a few milliseconds.

        Raises:
            MeasurementError: a part has ended.
            StackError: the gateway does not answer.
        """
        wall_us = time.time_ns() // 1000
        usage = read_usage({part.name: part.pid for part in self._parts})
        throttling = {
            part.name: found
            for part in self._parts
            if part.container is not None
            and part.pid is not None
            and (found := read_throttling(part.pid)) is not None
        }
        asked = read_containers(
            {
                part.name: part.container
                for part in self._parts
                if part.container is not None and part.pid is None
            }
        )
        usage |= {name: read.usage for name, read in asked.items()}
        throttling |= {name: read.throttling for name, read in asked.items() if read.throttling is not None}
        return Reading(wall_us, usage, throttling, self._admin.snapshot(_TLS_COUNTERS))

    def costs(
        self, before: Reading, after: Reading, requests: int, peaks: Mapping[str, int]
    ) -> tuple[ComponentCost, ...]:
        """CPU between two readings, divided by the *requests* sent in that window, and peak memory."""
        return tuple(_cost(part, before, after, requests, peaks.get(part.name)) for part in self._parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()


def _cost(
    part: Component, before: Reading, after: Reading, requests: int, memory: int | None
) -> ComponentCost:
    first, last = before.usage[part.name], after.usage[part.name]
    seconds = last.cpu_seconds - first.cpu_seconds if first is not None and last is not None else None
    held_back = None
    if part.name in before.throttling and part.name in after.throttling:
        held_back = after.throttling[part.name].since(before.throttling[part.name])
    is_limited = held_back is not None and held_back.periods > 0
    return ComponentCost(
        component=part.name,
        role=part.role,
        cpu_seconds=seconds,
        cpu_us_per_request=seconds * 1e6 / requests if seconds is not None and requests else None,
        memory_bytes=memory,
        cpu_periods=held_back.periods if held_back is not None and is_limited else None,
        throttled_periods=held_back.throttled if held_back is not None and is_limited else None,
        throttled_s=held_back.throttled_s if held_back is not None and is_limited else None,
    )


def _admin_url(component: Component) -> str:
    if component.admin_url is None:
        raise MeasurementError(f"{component.name} has no admin API: its counters cannot be read.")
    return component.admin_url
