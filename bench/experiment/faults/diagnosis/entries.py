"""Views on the evidence that several rules take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from bench.result import Reason, ReasonCode
from bench.telemetry import EnvoyEntry, NodeEntry

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

FROZEN_US = 500_000
WINDOW_US = 250_000
FEW = 8
"""Answers that a window needs to say something."""
_MOST_WINDOWS = 3
"""So many make one at most: with longer ones, a fault of a second or two would fill none."""


def is_failure(entry: EnvoyEntry) -> bool:
    """Whether a proxy had anything but a plain answer."""
    return bool(entry.flags) or entry.status >= 500


def first_of(entries: Sequence[EnvoyEntry]) -> int | None:
    """Start of the first of them, microseconds since the epoch; None: there are none."""
    return min((entry.time_us for entry in entries), default=None)


def at_nodes(evidence: Evidence) -> list[NodeEntry]:
    """All nodes' entries in the order in which they ended."""
    return sorted(
        (entry for entries in evidence.nodes.values() for entry in entries), key=lambda entry: entry.time_us
    )


def window_of(evidence: Evidence) -> int:
    """Length of the windows in which nodes are compared, µs: that with the fewest answers fills most of them.

    One and a half times what it needs on average, since requests come at random.
    """
    logs = [entries for entries in evidence.nodes.values() if len(entries) >= FEW]
    if not logs:
        return WINDOW_US
    times = [entry.time_us for entries in logs for entry in entries]
    needed = 1.5 * FEW * (max(times) - min(times)) / min(map(len, logs))
    return WINDOW_US * min(_MOST_WINDOWS, max(1, math.ceil(needed / WINDOW_US)))


def node_of(evidence: Evidence, entry: EnvoyEntry) -> str | None:
    """The node that a cluster has alone."""
    behind = evidence.topology.cluster_nodes.get(entry.cluster or "", ())
    return behind[0] if len(behind) == 1 else None


def sent_to(evidence: Evidence, node: str) -> list[EnvoyEntry]:
    """The gateway's entries of requests that are in a node's log, or whose cluster has that node alone."""
    there = {entry.id for entry in evidence.nodes.get(node, ())}
    return [entry for entry in evidence.gateway if entry.id in there or node_of(evidence, entry) == node]


def longest_gap(entries: Sequence[NodeEntry | EnvoyEntry]) -> tuple[int, int] | None:
    """Begin and end of the longest time without any of them; None: there are fewer than two."""
    times = sorted(entry.time_us for entry in entries)
    return max(pairwise(times), key=lambda pair: pair[1] - pair[0], default=None)


def code_of(key: str) -> ReasonCode:
    """The code in the key of a reason."""
    return Reason.of(key).code


def count_of(evidence: Evidence, code: ReasonCode) -> int:
    """Requests that ended for this reason."""
    return sum(number for (_, key), number in evidence.reasons.items() if code_of(key) is code)


def led_astray(evidence: Evidence) -> list[EnvoyEntry]:
    """The gateway's entries of requests that a cluster led to a node which is none of its own."""
    found = []
    for entry in evidence.gateway:
        node = evidence.addresses.get(entry.upstream or "")
        behind = evidence.topology.cluster_nodes.get(entry.cluster or "", ())
        if node is not None and behind and node not in behind:
            found.append(entry)
    return found
