"""Which requests can share connections: those to one target in one protocol. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.load.engine.arrivals import Share
from bench.load.plan import LoadPlan, Target
from bench.scenario import Protocol


@dataclass(frozen=True, slots=True)
class Lane:
    """Connections of one kind, and the requests that may use them."""

    target: Target
    protocol: Protocol
    kinds: tuple[int, ...]
    """Indexes into the plan's requests."""
    size: int
    """Connections that one worker may hold."""


def lanes_of(plan: LoadPlan, share: Share) -> tuple[Lane, ...]:
    """Part a plan's requests by their target and protocol; its connections go by their weights.

    Each lane has one connection at least in each worker, so that nothing waits forever: with more lanes
    than connections there are more connections than the plan says.
    """
    found: dict[tuple[object, ...], list[int]] = {}
    for index, kind in enumerate(plan.requests):
        target = plan.target_of(kind)
        # The host is named by each request; connections to one place serve all of them.
        key = (target.address, target.port, target.tls, kind.protocol)
        found.setdefault(key, []).append(index)
    weights = [sum(plan.requests[index].weight for index in kinds) for kinds in found.values()]
    sizes = _parts(plan.connections.count, weights)
    return tuple(
        Lane(
            plan.target_of(plan.requests[kinds[0]]),
            plan.requests[kinds[0]].protocol,
            tuple(kinds),
            _of_worker(size, share, least=1 if len(found) > 1 else 0),
        )
        for kinds, size in zip(found.values(), sizes, strict=True)
    )


def _of_worker(size: int, share: Share, least: int) -> int:
    return max(least, size // share.total + (share.index < size % share.total))


def _parts(count: int, weights: Sequence[float]) -> list[int]:
    """Part *count* by *weights*, at least one each; the largest remainders get what is left."""
    whole = sum(weights)
    exact = [count * weight / whole for weight in weights]
    parts = [max(1, int(each)) for each in exact]
    left = count - sum(parts)
    for index in sorted(range(len(parts)), key=lambda at: exact[at] - int(exact[at]), reverse=True):
        if left <= 0:
            break
        parts[index] += 1
        left -= 1
    return parts
