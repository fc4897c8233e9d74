"""Requests at the wrong node, or at the right one too often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.experiment.faults.diagnosis.cause import Cause, Finding
from bench.experiment.faults.diagnosis.entries import at_nodes, led_astray
from bench.experiment.faults.diagnosis.shown import ShownCase
from bench.message import say
from bench.telemetry import NodeEntry

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

_CHANCE = 1e-6
"""So seldom may right shares be taken for others."""
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
    # Of a request that no node took, because its certificate is another's, the gateway's line alone says
    # where it was sent; so it does of one that may be answered by both nodes.
    led = {entry.id: entry for entry in led_astray(evidence)}
    if by_cluster or led:
        touched = led.keys() | {entry.id for entry in by_cluster}
        nodes = {entry.node for entry in by_cluster} | {
            evidence.addresses[entry.upstream or ""] for entry in led.values()
        }
        shown = say(
            ShownCase.OTHER_ENDPOINTS,
            nodes=tuple(sorted(nodes)),
            clusters=tuple(sorted({cluster_of.get(each, "?") for each in touched})),
        )
        times = [*(entry.time_us for entry in by_cluster), *(entry.time_us for entry in led.values())]
        yield Finding(Cause.ENDPOINTS_SWAPPED, "access logs", shown, len(touched), min(times))
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
    example = astray[0]
    cluster = cluster_of.get(example.id, "?")
    if len(astray) < _STRAY * all_of_kind:
        cause = Cause.STRAY_MISROUTE
        shown = say(
            ShownCase.SINGLE_ONES_ASTRAY,
            count=len(astray),
            requests=all_of_kind,
            wanted=tuple(sorted(node for nodes in wants for node in nodes)),
            cluster=cluster,
            id=example.id,
        )
    else:
        cause = Cause.ROUTES_SWAPPED
        shown = say(ShownCase.ALL_ASTRAY, count=len(astray), requests=len(same_kind), cluster=cluster)
    return Finding(cause, "access logs", shown, len(astray), first)


def other_shares(evidence: Evidence) -> Iterator[Finding]:
    """Requests that are divided otherwise than the weights say, all of them at nodes that may answer."""
    if led_astray(evidence):
        return
    kind_of = evidence.kinds
    for subset, shares in evidence.shares.items():
        node_of = {node: nodes for nodes in shares for node in nodes}
        counts = Counter(
            node_of[entry.node]
            for entry in {each.id: each for each in at_nodes(evidence)}.values()
            if entry.node in node_of and kind_of.get(entry.id or "") == subset
        )
        answers = sum(counts.values())
        for nodes, share in shares.items():
            from scipy.stats import binomtest  # noqa: PLC0415 - takes half a second, and few ask for it

            count = counts[nodes]
            if answers and binomtest(count, answers, share).pvalue < _CHANCE:
                shown = say(
                    ShownCase.DIVIDED_OTHERWISE,
                    nodes=nodes,
                    count=count,
                    answers=answers,
                    subset=subset,
                    percent=share * 100,
                )
                yield Finding(Cause.OTHER_SHARES, "access logs", shown, abs(count - round(share * answers)))
                break


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Requests that are in the logs of nodes more often than the gateway sent them."""
    seen = Counter(entry.id for entry in at_nodes(evidence))
    attempts: Counter[str | None] = Counter()
    for entry in evidence.gateway:
        attempts[entry.id] += max(entry.attempts, 1)
    twice = [request_id for request_id, count in seen.items() if count > 1 and count > attempts[request_id]]
    if twice:
        times = [entry.time_us for entry in at_nodes(evidence) if entry.id == twice[0]]
        shown = say(ShownCase.LOGGED_TWICE, id=twice[0], times=seen[twice[0]])
        yield Finding(Cause.DUPLICATE_DELIVERY, "ledger", shown, len(twice), min(times))
