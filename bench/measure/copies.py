"""Copies of requests that proxies send elsewhere and whose answers they throw away: `mirror` of a rule.

No counter of Envoy says how many they are. The resources do: one of each request of a rule, or of a share of
them that is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bench.istio.cluster_names import cluster_name
from bench.ledger import ClientCounts
from bench.routing import Decision

_DEVIATIONS: Final = 5.0
"""Standard deviations that drawn copies may be off: by chance once in a million books."""

Range = tuple[int, int]
"""At least and at most."""


@dataclass(frozen=True, slots=True)
class Copying:
    """What some proxies make of each request of one kind."""

    least: int
    most: int
    mean: float
    variance: float

    @classmethod
    def of(cls, decision: Decision, counted: Mapping[str, Collection[str]]) -> Copying:
        """By *decision*, whose branches and mirrors are drawn apart from each other.

        Envoy makes no copy for a cluster that it does not have, and where connections are passed on unread,
        too, nobody tells their number from that of copies: *counted* are the clusters of each proxy whose
        requests the books take.
        """
        least, most, mean, square = [], [], 0.0, 0.0
        for branch in decision.branches:
            drawn = [
                float(mirror.probability)
                for hop in branch.hops
                for mirror in hop.mirrors
                if cluster_name(mirror.host, mirror.port, mirror.subset) in counted.get(hop.proxy, ())
            ]
            here = sum(drawn)
            least.append(sum(each == 1 for each in drawn))
            most.append(len(drawn))
            mean += float(branch.probability) * here
            square += float(branch.probability) * (here**2 + sum(each * (1 - each) for each in drawn))
        return cls(min(least, default=0), max(most, default=0), mean, max(0.0, square - mean**2))


def copying_of(
    decisions: Mapping[str, Decision], counted: Mapping[str, Collection[str]]
) -> dict[str, Copying]:
    """Requests of the traffic that proxies copy to those of their clusters that are *counted* -> how."""
    found = {name: Copying.of(decision, counted) for name, decision in decisions.items()}
    return {name: each for name, each in found.items() if each.most}


def copies_of(
    copying: Mapping[str, Copying],
    counts: Mapping[str, ClientCounts],
    before: Mapping[str, Copying] = MappingProxyType({}),
) -> Range:
    """How many copies a load has made, at least and at most.

    Args:
        copying: by kind of request.
        counts: what the generator says of each kind. A request that ended badly may have come to no rule.
        before: how proxies before these copy. Their copies may come here, and are copied again.
    """
    low = high = least = most = variance = 0.0
    for name, each in copying.items():
        own = counts[name]
        fewest = max(0, own.sent - own.bad - own.unreported)
        many = own.sent * (1 + (before[name].most if name in before else 0))
        least += fewest * each.least
        most += many * each.most
        low += fewest * each.mean
        high += many * each.mean
        variance += many * each.variance
    off = _DEVIATIONS * math.sqrt(variance)
    return max(round(least), math.floor(low - off)), min(round(most), math.ceil(high + off))
