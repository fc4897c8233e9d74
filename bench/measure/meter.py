"""Readings of a running stack at the edges of a measured window: CPU, memory, the gateway's TLS counters."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from bench.errors import BenchError, MeasurementError
from bench.result import ComponentCost, LaneUse, MachineUse, MemoryUse
from bench.stack import Component, Stack, replicas_of
from bench.telemetry import (
    Admin,
    Lane,
    MachineReading,
    MemoryRoom,
    Snapshot,
    Throttling,
    Usage,
    cpu_seconds,
    difference,
    read_containers,
    read_lanes,
    read_machine,
    read_memory_room,
    read_throttling,
    read_usage,
    total,
)

_TLS_COUNTERS = (
    r"^cluster\..*\.(upstream_cx_total|upstream_cx_destroy|upstream_rq_total|ssl\.handshake"
    r"|ssl\.session_reused)$"
)
_SIDECAR_COUNTERS = (
    r"^(http\..*\.downstream_rq_total|cluster\..*\.(upstream_rq_total|ssl\.handshake|ssl\.session_reused))$"
)


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """What the gateway's clusters counted in a window."""

    connections: int
    """Upstream connections opened."""
    handshakes: int
    """Handshakes completed, full and resumed."""
    resumed: int
    requests: int = 0
    """Sent upstream, attempts that were made again included."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment of a stack."""

    wall_us: int
    """Microseconds since the epoch, as access logs count."""
    usage: Mapping[str, Usage | None]
    throttling: Mapping[str, Throttling]
    """Of the parts that a CPU limit can hold back."""
    gateway: Snapshot
    machine: MachineReading | None = None
    ours_s: float | None = None
    """CPU seconds of this process, all its descendants, and of parts that are not descendants."""
    at_s: float = 0.0
    """On the monotonic clock."""
    lanes: Mapping[str, tuple[Lane, ...]] = field(default_factory=dict)
    """Part -> the threads that its requests run on."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Gateway, each replica by its name -> requests that it has sent on."""
    memory: Mapping[str, MemoryRoom] = field(default_factory=dict)
    """Of the parts that have a memory limit."""
    sidecars: Mapping[str, Snapshot] = field(default_factory=dict)
    """What each of them has read and sent on; only those that were asked for."""

    def shares_until(self, later: Reading) -> dict[str, int]:
        """Requests that each replica of the gateway has sent on between two readings."""
        return {
            name: count - self.replicas[name]
            for name, count in later.replicas.items()
            if count >= self.replicas.get(name, count + 1)
        }

    def lanes_until(self, later: Reading) -> tuple[LaneUse, ...]:
        """How busy each worker was between two readings, as shares of the time; new ones are left out."""
        seconds = later.at_s - self.at_s
        found = []
        for part, lanes in later.lanes.items() if seconds > 0 else ():
            before = {lane.name: lane for lane in self.lanes.get(part, ())}
            found += [
                LaneUse(
                    component=part,
                    lane=lane.name,
                    ran_share=(lane.ran_s - before[lane.name].ran_s) / seconds,
                    waited_share=(lane.waited_s - before[lane.name].waited_s) / seconds,
                )
                for lane in lanes
                if lane.name in before
            ]
        return tuple(found)

    def memory_until(self, later: Reading) -> dict[str, MemoryUse]:
        """What the memory limits did between two readings."""
        return {
            part: MemoryUse(
                limit_bytes=room.limit_bytes,
                used_bytes=room.used_bytes,
                refused=room.refused - self.memory[part].refused,
                killed=room.killed - self.memory[part].killed,
            )
            for part, room in later.memory.items()
            if part in self.memory
        }

    def machine_until(self, later: Reading, elsewhere_s: float = 0.0) -> MachineUse | None:
        """Whose the machine was between two readings; None where the kernel does not report it.

        Args:
            later: the second one.
            elsewhere_s: CPU seconds of ours in between that no reading holds: load workers in containers.
        """
        first, last = self.machine, later.machine
        if first is None or last is None or self.ours_s is None or later.ours_s is None:
            return None
        busy, idle = last.busy_s - first.busy_s, last.idle_s - first.idle_s
        steal = last.steal_s - first.steal_s
        whole = busy + idle + steal
        if whole <= 0:
            return None
        ours = min(busy, later.ours_s - self.ours_s + elsewhere_s)
        waiting = None
        if first.waiting_s is not None and last.waiting_s is not None and later.at_s > self.at_s:
            waiting = (last.waiting_s - first.waiting_s) / (later.at_s - self.at_s)
        return MachineUse(
            ours_share=ours / whole,
            others_share=(busy - ours) / whole,
            idle_share=idle / whole,
            steal_share=steal / whole,
            waiting_share=waiting,
        )

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
            requests=total(rises, "upstream_rq_total"),
        )


class Meter:
    """Takes readings of one stack. Close it, or use it as a context manager."""

    def __init__(self, stack: Stack, gateway: str, sidecars: Sequence[str] = ()) -> None:
        """Read *stack*; of the proxy *gateway* and its replicas the TLS counters, too.

        Of *sidecars* it reads what they carry, which costs each of them about a millisecond of CPU.
        """
        self._parts = tuple(stack.components())
        self._sidecars = [
            Admin(_admin_url(stack.component(name)), name=name) for name in dict.fromkeys(sidecars)
        ]
        self._admins = [Admin(_admin_url(part), name=part.name) for part in replicas_of(self._parts, gateway)]

    def read(self) -> Reading:
        """Read everything once, which takes a few milliseconds.

        Raises:
            MeasurementError: a part has ended.
            StackError: a proxy whose counters it reads does not answer.
        """
        pids = {part.name: part.pid for part in self._parts}
        try:
            gateways, sidecars = self._read_counters()
        except BenchError:
            # Where a part has ended, that is the reason.
            read_usage(pids)
            raise
        # At once: what is counted between the two readings is not what the CPU of a window was used for.
        wall_us = time.time_ns() // 1000
        usage = read_usage(pids)
        throttling = {
            part.name: found
            for part in self._parts
            # A process of this machine may be held back, too: by a container around the whole suite.
            if part.pid is not None and (found := read_throttling(part.pid)) is not None
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
        machine = read_machine()
        apart = sum(read.cpu_seconds for part in self._parts if part.container and (read := usage[part.name]))
        return Reading(
            wall_us,
            usage,
            throttling,
            _together(gateways),
            machine=machine,
            replicas={each.proxy: _requests(each) for each in gateways},
            ours_s=cpu_seconds(os.getpid(), "this process") + apart,
            at_s=time.monotonic(),
            lanes={
                part.name: read_lanes(part.pid, part.kind) for part in self._parts if part.pid is not None
            },
            memory={
                part.name: room
                for part in self._parts
                if part.pid is not None and (room := read_memory_room(part.pid)) is not None
            },
            sidecars=sidecars,
        )

    def _read_counters(self) -> tuple[list[Snapshot], dict[str, Snapshot]]:
        """Of gateways and of sidecars; how old they are takes longest, and is asked first."""
        ages = {
            admin: admin.server_info().uptime_s for admin in dict.fromkeys((*self._sidecars, *self._admins))
        }
        sidecars = {
            admin.name: admin.snapshot(_SIDECAR_COUNTERS, uptime_s=ages[admin]) for admin in self._sidecars
        }
        return [admin.snapshot(_TLS_COUNTERS, uptime_s=ages[admin]) for admin in self._admins], sidecars

    def costs(
        self, before: Reading, after: Reading, requests: int, peaks: Mapping[str, int]
    ) -> tuple[ComponentCost, ...]:
        """CPU between two readings, divided by the *requests* sent in that window, and peak memory."""
        return tuple(_cost(part, before, after, requests, peaks.get(part.name)) for part in self._parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for admin in (*self._admins, *self._sidecars):
            admin.close()


def _together(gateways: Sequence[Snapshot]) -> Snapshot:
    """The counters of all replicas, added up: who was started again lets sums fall, as one alone would."""
    if len(gateways) == 1:
        return gateways[0]
    values: Counter[str] = Counter()
    for each in gateways:
        values.update(each.values)
    first = gateways[0]
    return Snapshot(first.proxy, values, first.taken_at, sum(each.uptime_s for each in gateways))


def _requests(gateway: Snapshot) -> int:
    return sum(value for name, value in gateway.values.items() if name.endswith(".upstream_rq_total"))


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
