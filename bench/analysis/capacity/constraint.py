"""What limits: which part was at its end when the load became too high, and by what evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.analysis.machine import is_disturbed
from bench.result import Reason, ReasonCode
from bench.result.capacity import CapacityWindow, Constraint

FULL = 0.85
"""Share of its CPU above which a part has no room: requests wait longer than they are worked on."""
GENERATOR_FULL = 0.9
MACHINE_IDLE = 0.1
"""Below this share of idle processors the machine itself is full."""
_THROTTLED = 0.1
"""Share of its periods in which a quota held a part back."""
_UNEVEN = 1.5
"""The busiest worker's connections by the mean of all."""
_OVERFLOWN = 0.001


@dataclass(frozen=True, slots=True)
class Setup:
    """What the parts had at their disposal."""

    workers: dict[str, int]
    """Proxy -> Envoy worker threads."""
    quotas: dict[str, float]
    """Part -> CPUs that it is held to; absent: not held."""
    connections: int
    """Of the client."""


def find_constraints(window: CapacityWindow, setup: Setup) -> tuple[Constraint, ...]:
    """All that was at its limit in an overloaded *window*, the binding one first."""
    found = tuple(_each(window, setup))
    return found or (
        Constraint(code="unknown", evidence="no part was near a limit that is watched; look at the reasons"),
    )


def is_generators(window: CapacityWindow) -> bool:
    """Was the generator at its own end?"""
    return window.generator_share is not None and window.generator_share >= GENERATOR_FULL


def gateway_alone(window: CapacityWindow, setup: Setup) -> float | None:
    """Requests/s at which the gateway's workers would be busy all the time, by its CPU per request."""
    costs = [cost for cost in window.costs if cost.role == "egress"]
    used = [cost.cpu_us_per_request for cost in costs]
    if not costs or any(value is None or value <= 0 for value in used):
        return None
    cpus = sum(_allowed(cost.component, setup) for cost in costs)
    per_request_us = sum(value for value in used if value is not None)
    return cpus * 1e6 / per_request_us if cpus else None


def _each(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    """In the order in which one explains the other: who is first makes the later ones look full, too."""
    yield from _refusals(window)
    if is_generators(window):
        yield Constraint(
            code="generator",
            evidence=f"each load worker used {window.generator_share or 0:.0%} of a CPU",
        )
    yield from _quotas(window)
    yield from _one_worker(window, setup)
    yield from _cpus(window, setup)
    yield from _machine(window)
    yield from _connections(window, setup)


def _refusals(window: CapacityWindow) -> Iterator[Constraint]:
    for proxy, count in window.overflows.items():
        if window.sent and count / window.sent >= _OVERFLOWN:
            yield Constraint(
                code="circuit-breaker",
                evidence=f"a circuit breaker of {proxy} refused {count:,} requests (UO), warm-up included;"
                f" {window.sent:,} were measured",
            )
    ports = sum(
        count for key, count in window.reasons.items() if Reason.of(key).code is ReasonCode.NO_LOCAL_PORT
    )
    if ports:
        yield Constraint(
            code="ports", evidence=f"{ports:,} connections found no free local port towards one address"
        )


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
                evidence=f"the CPU limit of {cost.component} held it back in {cost.throttled_periods:,} of"
                f" {cost.cpu_periods:,} periods, {cost.throttled_s or 0:.2f} s in all",
            )


def _one_worker(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    shares = window.worker_connections
    if len(shares) < 2 or not sum(shares):
        return
    uneven = max(shares) * len(shares) / sum(shares)
    for cost in window.costs:
        if cost.role != "egress" or cost.cpu_seconds is None:
            continue
        # The worker with most connections does that share of the work, all of it on one CPU.
        busiest = cost.cpu_seconds / window.duration_s * max(shares) / sum(shares)
        if uneven >= _UNEVEN and busiest >= FULL and setup.workers.get(cost.component, 1) > 1:
            yield Constraint(
                code="one-gateway-worker",
                evidence=f"one of {len(shares)} workers of {cost.component} held {max(shares)} of"
                f" {sum(shares)} connections and used about {busiest:.0%} of a CPU",
            )


def _cpus(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    names = {"egress": "gateway-worker-cpu", "sidecar": "sidecar-cpu", "node": "node-cpu"}
    found = []
    for cost in window.costs:
        allowed = _allowed(cost.component, setup)
        if cost.role in names and cost.cpu_seconds is not None and allowed:
            found.append((cost.cpu_seconds / window.duration_s / allowed, allowed, cost))
    for share, allowed, cost in sorted(found, key=lambda each: -each[0]):
        if share >= FULL:
            yield Constraint.model_validate(
                {
                    "code": names[cost.role],
                    "evidence": f"{cost.component} used {share:.0%} of the {allowed:g} CPU"
                    f"{'s' if allowed > 1 else ''} that it can use",
                }
            )


def _allowed(component: str, setup: Setup) -> float:
    """CPUs that a part can use: its workers, or its quota if that is less. A node has one process."""
    workers = float(setup.workers.get(component, 1))
    return min(workers, setup.quotas.get(component, workers))


def _machine(window: CapacityWindow) -> Iterator[Constraint]:
    use = window.machine
    if use is None or use.idle_share is None or use.idle_share > MACHINE_IDLE:
        return
    ours, others = use.ours_share or 0.0, use.others_share or 0.0
    if is_disturbed(use):
        yield Constraint(
            code="machine-disturbed",
            evidence=f"others used {others:.0%} of all processors, and {use.idle_share:.0%} were idle",
        )
    else:
        yield Constraint(
            code="machine",
            evidence=f"all parts compete for the same processors: {ours:.0%} of them used by this run,"
            f" {use.idle_share:.0%} idle",
        )


def _connections(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    flight = window.mean_in_flight
    if flight is not None and flight >= 0.9 * setup.connections:
        yield Constraint(
            code="client-connections",
            evidence=f"{flight:.1f} of the client's {setup.connections} connections were busy on average:"
            " further requests waited for one",
        )
