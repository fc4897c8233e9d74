"""Requests at the wrong node, or at the right one too often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.experiment.faults.diagnosis.cause import Cause, Finding
from bench.experiment.faults.diagnosis.entries import at_nodes
from bench.telemetry import NodeEntry

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

_STRAY = 0.05
"""Below this part of a subset's requests, misroutes are strays."""


def wrong_node(evidence: Evidence) -> Iterator[Finding]:
    """Requests at a node that must not answer them: did the route or the cluster lead there?"""
    cluster_of = {entry.id: entry.cluster or "" for entry in evidence.gateway}
    by_cluster: list[NodeEntry] = []
    by_route: list[NodeEntry] = []
    for entry in at_nodes(evidence):
        if entry.node in evidence.wanted.get(entry.id or "", (entry.node,)):
            continue
        behind = evidence.topology.cluster_nodes.get(cluster_of.get(entry.id, ""), ())
        (by_route if entry.node in behind else by_cluster).append(entry)
    if by_cluster:
        names = ", ".join(sorted({cluster_of.get(entry.id, "?") for entry in by_cluster}))
        nodes = ", ".join(sorted({entry.node for entry in by_cluster}))
        detail = f"{nodes} got requests that the gateway sent to {names}, which has other endpoints"
        yield Finding(Cause.ENDPOINTS_SWAPPED, "access logs", detail, len(by_cluster), by_cluster[0].time_us)
    if by_route:
        yield _astray(evidence, by_route, cluster_of)


def _astray(evidence: Evidence, astray: Sequence[NodeEntry], cluster_of: Mapping[str | None, str]) -> Finding:
    first, last = astray[0].time_us, astray[-1].time_us
    wants = {evidence.wanted[entry.id or ""] for entry in astray}
    same_kind = [
        entry
        for entry in at_nodes(evidence)
        if evidence.wanted.get(entry.id or "") in wants and first <= entry.time_us <= last
    ]
    all_of_kind = sum(wanted in wants for wanted in evidence.wanted.values())
    is_stray = len(astray) < _STRAY * all_of_kind
    example = astray[0]
    detail = (
        f"{len(astray)} of {all_of_kind:,} requests for {' and '.join(sorted(n for w in wants for n in w))}"
        f" were routed to {cluster_of.get(example.id, '?')}, such as {example.id}"
        if is_stray
        else f"{len(astray)} of {len(same_kind)} requests between the first and the last of them were routed"
        f" to {cluster_of.get(example.id, '?')}, whose nodes must not answer them"
    )
    cause = Cause.STRAY_MISROUTE if is_stray else Cause.ROUTES_SWAPPED
    return Finding(cause, "access logs", detail, len(astray), first)


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Requests that are in the logs of nodes more often than the gateway sent them."""
    seen = Counter(entry.id for entry in at_nodes(evidence))
    attempts: Counter[str | None] = Counter()
    for entry in evidence.gateway:
        attempts[entry.id] += max(entry.attempts, 1)
    twice = [request_id for request_id, count in seen.items() if count > 1 and count > attempts[request_id]]
    if twice:
        times = [entry.time_us for entry in at_nodes(evidence) if entry.id == twice[0]]
        detail = f"{twice[0]} is {seen[twice[0]]} times in the nodes' logs, and the gateway sent it once"
        yield Finding(Cause.DUPLICATE_DELIVERY, "ledger", detail, len(twice), min(times))
