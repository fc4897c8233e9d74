"""Several gateways: what each of them carried, and what it cost that one of them ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.analysis.bounds import share_interval
from bench.result.capacity import CapacityWindow, KilledReplica, ReplicaSecond, ReplicaShare


def replica_shares(windows: Sequence[CapacityWindow]) -> tuple[ReplicaShare, ...]:
    """Share of each replica over all windows, with its exact interval of 95 %; empty where there is one."""
    counts: Counter[str] = Counter()
    for window in windows:
        counts.update(window.replica_requests)
    whole = counts.total()
    if len(counts) < 2 or not whole:
        return ()
    found = []
    for name, count in counts.items():
        low, high = share_interval(count, whole)
        found.append(ReplicaShare(component=name, requests=count, share=count / whole, low=low, high=high))
    return tuple(found)


def cost_of_end(
    component: str, rate: float, killed_in: int, seconds: Sequence[ReplicaSecond], loss: float
) -> KilledReplica:
    """What was lost when *component* ended during second number *killed_in* (from 0) of *seconds*.

    Args:
        component: the replica.
        rate: requests/s.
        killed_in: in whose course it ended.
        seconds: in order.
        loss: share of the requests that may be lost in a good second.
    """
    after = seconds[killed_in:]
    bad = [number for number, each in enumerate(after, 1) if each.due and each.lost / each.due > loss]
    return KilledReplica(
        component=component,
        rate=rate,
        lost=sum(each.lost for each in after),
        due=sum(each.due for each in after),
        good_after_s=None if bad and bad[-1] == len(after) else (bad[-1] if bad else 0),
        seconds=tuple(seconds),
        killed_in=killed_in,
    )
