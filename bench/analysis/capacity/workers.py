"""Workers at their end: by the CPU of a part, by that of one thread, and by what it was spent on."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analysis.capacity.setup import Setup
from bench.result import ComponentCost
from bench.result.capacity import CapacityWindow, Constraint, ConstraintCode, LaneUse

FULL = 0.85
"""Share of its CPU above which a part has no room: requests wait longer than they are worked on."""
_UNEVEN = 1.5
"""The busiest worker by the mean of all."""
_HANDSHAKES = 0.2
"""New TLS connections for each request above which these are what the CPU goes to: one costs five requests
and more, with the cheapest keys and sessions resumed."""
_POOLS = 3
"""This many connections for each of the client's may be those that a pool opens once, and keeps."""
_CODES: dict[str, ConstraintCode] = {
    "egress": "gateway-worker-cpu",
    "sidecar": "sidecar-cpu",
    "node": "node-cpu",
}


def find_workers(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    """Parts whose workers used all the CPU that they can use, the fullest first."""
    found = [
        constraint
        for cost in window.costs
        if cost.role in _CODES and (constraint := _of_part(cost, window, setup)) is not None
    ]
    yield from sorted(found, key=lambda each: -(each.share or 0.0))


def find_short_lanes(window: CapacityWindow, setup: Setup) -> Iterator[Constraint]:
    """Parts of which a worker wanted a CPU all the time and got it for a part: who got most comes first."""
    roles = {cost.component: cost.role for cost in window.costs}
    busiest: dict[str, LaneUse] = {}
    for lane in sorted(window.lanes, key=lambda each: each.ran_share):
        if lane.wanted_share >= FULL > lane.ran_share:
            busiest[lane.component] = lane
    for part, lane in sorted(busiest.items(), key=lambda each: -each[1].ran_share):
        code = _CODES.get(roles.get(part, ""))
        if code is not None:
            alone = setup.workers.get(part, 1) > 1 and _is_alone(lane, window)
            yield Constraint(
                code="one-gateway-worker"
                if alone and code == "gateway-worker-cpu"
                else _by_handshakes(window, setup, code),
                evidence=f"{lane.lane} of {part} wanted a CPU for {min(1.0, lane.wanted_share):.0%} of the"
                f" time and got one for {lane.ran_share:.0%}{_handshakes_text(window, setup, code)}",
                part=part,
                share=lane.ran_share,
            )


def _of_part(cost: ComponentCost, window: CapacityWindow, setup: Setup) -> Constraint | None:
    one = _one_worker(cost, window, setup)
    if one is not None:
        return one
    allowed = setup.cpus_of(cost.component)
    if cost.cpu_seconds is None or not allowed:
        return None
    share = cost.cpu_seconds / window.duration_s / allowed
    if share < FULL:
        return None
    code = _CODES[cost.role]
    # Too steady to be throttled often, it is the quota's end all the same: more workers would not help.
    held = setup.is_held(cost.component)
    return Constraint(
        code="cpu-quota" if held else _by_handshakes(window, setup, code),
        evidence=f"{cost.component} used {share:.0%} of the {allowed:g} CPU{'s' if allowed > 1 else ''} that"
        f" it can use{', by its CPU limit' if held else ''}{_handshakes_text(window, setup, code)}",
        part=cost.component,
        share=share,
    )


def _one_worker(cost: ComponentCost, window: CapacityWindow, setup: Setup) -> Constraint | None:
    """One worker of several that is full beside others with room: its connections were more, or heavier."""
    if cost.role != "egress" or setup.workers.get(cost.component, 1) < 2:
        return None
    shares = [lane.ran_share for lane in window.lanes if lane.component == cost.component]
    held = ""
    connections = sum(window.worker_connections)
    if not shares and cost.cpu_seconds is not None and connections:
        # The threads were not counted: who has most connections does that share of the work, on one CPU.
        whole = cost.cpu_seconds / window.duration_s
        shares = [whole * count / connections for count in window.worker_connections]
    if len(shares) < 2 or not sum(shares):
        return None
    busiest, mean = max(shares), sum(shares) / len(shares)
    if busiest < FULL or busiest < _UNEVEN * mean:
        return None
    if connections:
        held = f", {max(window.worker_connections)} of {connections} connections on one of them"
    return Constraint(
        code="one-gateway-worker",
        evidence=f"one of {len(shares)} workers of {cost.component} used {busiest:.0%} of a CPU, all together"
        f" {sum(shares):.0%}{held}",
        part=cost.component,
        share=busiest,
    )


def _per_request(window: CapacityWindow) -> float:
    # Of the same seconds and the same counter's proxy: under overload those that were sent are others.
    requests = window.upstream_requests or window.sent
    return (window.handshakes or 0) / requests if requests else 0.0


def _is_alone(lane: LaneUse, window: CapacityWindow) -> bool:
    """Whether it works for all the others of its part."""
    all_ = [each.ran_share for each in window.lanes if each.component == lane.component]
    return len(all_) > 1 and lane.ran_share >= _UNEVEN * sum(all_) / len(all_)


def _by_handshakes(window: CapacityWindow, setup: Setup, code: ConstraintCode) -> ConstraintCode:
    return "tls-handshakes" if _is_about_handshakes(window, setup, code) else code


def _is_about_handshakes(window: CapacityWindow, setup: Setup, code: ConstraintCode) -> bool:
    """Both ends of a handshake pay for it; the sidecar takes part in none that is counted."""
    return (
        code in {"gateway-worker-cpu", "node-cpu"}
        and _per_request(window) >= _HANDSHAKES
        and (window.handshakes or 0) > _POOLS * setup.connections
    )


def _handshakes_text(window: CapacityWindow, setup: Setup, code: ConstraintCode) -> str:
    if not _is_about_handshakes(window, setup, code):
        return ""
    rate = (window.handshakes or 0) / window.duration_s
    return f", with {rate:,.0f} TLS handshakes/s, {_per_request(window):.2f} for each request"
