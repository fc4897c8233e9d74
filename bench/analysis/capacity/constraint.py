"""What limits: which part was at its end when the load became too high, and by what evidence.

The order is that of causes: a worker without CPU makes pools and queues look full, so it is named before
them. A worker that wants a processor all the time and does not get it is not at its own end: the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.analysis.capacity.setup import Setup
from bench.analysis.capacity.workers import find_short_lanes, find_workers
from bench.analysis.machine import IDLE_ENOUGH, is_disturbed
from bench.result import Reason, ReasonCode
from bench.result.capacity import CapacityWindow, Constraint
from bench.units import format_bytes

GENERATOR_FULL = 0.9
MACHINE_IDLE = 0.1
"""Below this share of idle processors the machine itself is full."""
_THROTTLED = 0.1
"""Share of its periods in which a quota held a part back."""
_REFUSED = 0.001
"""Share of the requests; the strictest limit on response times is on one in a thousand."""
_QUEUED = 0.01
_PORTS_FULL = 0.9
"""Listeners and other connections hold some of the range, too."""
_MEMORY_FULL = 0.98


def find_constraints(window: CapacityWindow, setup: Setup) -> tuple[Constraint, ...]:
    """All that was at its limit in an overloaded *window*, the binding one first."""
    found: dict[tuple[str, str | None], Constraint] = {}
    for each in _each(window, setup):
        # A quota that is full may also have throttled.
        found.setdefault((each.code, each.part), each)
    return tuple(found.values()) or (Constraint(code="unknown", evidence=_nearest(window)),)


def is_generators(window: CapacityWindow) -> bool:
    """Was the generator at its own end?"""
    return window.generator_share is not None and window.generator_share >= GENERATOR_FULL


def gateway_alone(window: CapacityWindow, setup: Setup) -> float | None:
    """Requests/s at which the gateway's workers would be busy all the time, by its CPU per request."""
    costs = [cost for cost in window.costs if cost.role == "egress"]
    used = [cost.cpu_us_per_request for cost in costs]
    if not costs or any(value is None or value <= 0 for value in used):
        return None
    cpus = sum(setup.cpus_of(cost.component) for cost in costs)
    per_request_us = sum(value for value in used if value is not None)
    return cpus * 1e6 / per_request_us if cpus else None


def _each(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    if is_generators(window):
        share = window.generator_share or 0.0
        yield Constraint(
            code="generator", evidence=f"each load worker used {share:.0%} of a CPU", share=share
        )
    yield from _quotas(window)
    yield from _memory(window)
    yield from find_workers(window, setup)
    yield from _ports(window)
    yield from _refusals(window)
    yield from _pools(window)
    yield from _machine(window, setup)
    yield from _connections(window, setup)


def _quotas(window: CapacityWindow) -> Iterator[Constraint]:
    held = [
        (cost.throttled_periods / cost.cpu_periods, cost)
        for cost in window.costs
        if cost.cpu_periods and cost.throttled_periods is not None
    ]
    for share, cost in sorted(held, key=lambda each: -each[0]):
        if share >= _THROTTLED:
            yield Constraint(
                code="cpu-quota",
                evidence=f"the CPU limit of {cost.component} throttled it in {cost.throttled_periods:,} of"
                f" {cost.cpu_periods:,} periods, {cost.throttled_s or 0:.2f} s in all",
                part=cost.component,
                share=share,
            )


def _memory(window: CapacityWindow) -> Iterator[Constraint]:
    for part, use in window.memory.items():
        share = use.used_bytes / use.limit_bytes
        # The page cache fills a limit, too, and is given up at no cost: a limit that is full and was never
        # hit again is none.
        if not (use.killed or (use.refused and share >= _MEMORY_FULL)):
            continue
        ended = f", and ended {use.killed} of its processes" if use.killed else ""
        yield Constraint(
            code="memory",
            evidence=f"{part} was at its memory limit of {format_bytes(use.limit_bytes)}: the kernel refused"
            f" it memory {use.refused:,} times{ended}",
            part=part,
            share=share,
        )


def _ports(window: CapacityWindow) -> Iterator[Constraint]:
    for proxy, taken in window.ports.items():
        share = taken.used / taken.available
        if share >= _PORTS_FULL and window.connect_failures.get(proxy, 0) > 0:
            yield Constraint(
                code="ports",
                evidence=f"{proxy} had taken {taken.used:,} of {taken.available:,} local ports towards"
                f" {taken.address}, and {window.connect_failures[proxy]:,} connections failed",
                part=proxy,
                share=share,
            )
    lacking = sum(
        count for key, count in window.reasons.items() if Reason.of(key).code is ReasonCode.NO_LOCAL_PORT
    )
    if lacking:
        yield Constraint(
            code="ports",
            evidence=f"{lacking:,} connections of the client found no free local port towards one address",
        )


def _refusals(window: CapacityWindow) -> Iterator[Constraint]:
    for proxy, count in window.overflows.items():
        whole = window.carried + count
        if count and count / whole >= _REFUSED:
            yield Constraint(
                code="circuit-breaker",
                evidence=f"a circuit breaker of {proxy} refused {count:,} requests (UO), warm-up included;"
                f" {window.carried:,} were measured",
                part=proxy,
                share=count / whole,
            )


def _pools(window: CapacityWindow) -> Iterator[Constraint]:
    for proxy, count in window.queued.items():
        if count and count / max(1, window.carried) >= _QUEUED:
            yield Constraint(
                code="connection-pool",
                evidence=f"{count:,} times a request found no connection free in a pool of {proxy} that was"
                f" at its maximum, and waited; {window.carried:,} were measured",
                part=proxy,
                share=count / max(1, window.carried),
            )


def _machine(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    """The processors of the machine, and the workers that wanted one and did not get it."""
    short = tuple(find_short_lanes(window, setup))
    use = window.machine
    enough = MACHINE_IDLE if not short else IDLE_ENOUGH
    if use is not None and use.idle_share is not None and use.idle_share <= enough:
        ours, others = use.ours_share or 0.0, use.others_share or 0.0
        waited = f"; {short[0].evidence}" if short else ""
        if is_disturbed(use):
            yield Constraint(
                code="machine-disturbed",
                evidence=f"others used {others:.0%} of all processors, and {use.idle_share:.0%} were"
                f" idle{waited}",
                share=1 - use.idle_share,
            )
        else:
            yield Constraint(
                code="machine",
                evidence=f"all parts compete for the same processors: {ours:.0%} of them used by this run,"
                f" {use.idle_share:.0%} idle{waited}",
                share=1 - use.idle_share,
            )
    elif short:
        yield Constraint(code="machine", evidence=f"{short[0].evidence}", part=short[0].part)
    yield from short


def _connections(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    flight = window.mean_in_flight
    if flight is not None and flight >= 0.9 * setup.connections:
        yield Constraint(
            code="client-connections",
            evidence=f"{flight:.1f} of the client's {setup.connections} connections were busy on average:"
            " further requests waited for one",
            share=flight / setup.connections,
        )


def _nearest(window: CapacityWindow) -> str:
    """Where nothing was at its end: what came nearest."""
    shares = [(lane.wanted_share, f"{lane.lane} of {lane.component}") for lane in window.lanes]
    shares += [
        (cost.cpu_seconds / window.duration_s, cost.component)
        for cost in window.costs
        if not window.lanes and cost.cpu_seconds is not None
    ]
    if window.machine is not None and window.machine.idle_share is not None:
        shares.append((1 - window.machine.idle_share, "the machine"))
    if not shares:
        return "no part was near a watched limit; see the reasons"
    share, name = max(shares)
    return f"no part was near a watched limit; the busiest was {name}, {share:.0%}"
