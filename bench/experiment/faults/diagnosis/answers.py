"""Answers that are not what they must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.experiment.faults.diagnosis.cause import Cause, Finding
from bench.experiment.faults.diagnosis.entries import code_of, count_of, first_of, is_failure, node_of
from bench.experiment.faults.diagnosis.shown import ShownCase
from bench.headers import NODE_HEADER
from bench.message import say
from bench.result import ReasonCode

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

_PROTOCOL_ERROR = "UPE"
"""Envoy's response flag: what the upstream sent is not HTTP."""


def truncated(evidence: Evidence) -> Iterator[Finding]:
    """Answers that begin well and break off."""
    count = count_of(evidence, ReasonCode.ANSWER_CUT)
    if not count or evidence.died or evidence.restarted:
        return
    broken = [entry for entry in evidence.gateway if entry.status == 200 and is_failure(entry)]
    by_node = Counter(node for entry in broken if (node := node_of(evidence, entry)) is not None)
    shown = say(ShownCase.BREAK_OFF)
    if by_node:
        shown = say(ShownCase.BREAKS_OFF, node=by_node.most_common(1)[0][0])
    yield Finding(Cause.TRUNCATED_BODY, "client", shown, count, first_of(broken))


def wrong_page(evidence: Evidence) -> Iterator[Finding]:
    """Wrong bodies that carry the mark of another node."""
    for (subset, reason), count in evidence.reasons.items():
        if code_of(reason) is not ReasonCode.WRONG_BODY:
            continue
        body = evidence.bodies.get((subset, reason), "")
        answering = [node for node in evidence.nodes if f"{NODE_HEADER}: {node}" in body.lower()]
        for node in answering:
            for other, mark in evidence.pages.items():
                if other != node and mark in body:
                    shown = say(ShownCase.PAGE_OF_ANOTHER, node=node, other=other, mark=mark)
                    yield Finding(Cause.WRONG_PAGE, "client", shown, count)


def other_ids(evidence: Evidence) -> Iterator[Finding]:
    """Answers that carry the id of another request."""
    count = sum(
        number for (_, key), number in evidence.reasons.items() if code_of(key) is ReasonCode.WRONG_ID
    )
    if count:
        yield Finding(Cause.OTHER_ID, "client", say(ShownCase.IDS_OF_OTHERS, count=count), count)


def broken_http(evidence: Evidence) -> Iterator[Finding]:
    """Answers that a proxy refuses because they break the rules of HTTP: they never come to the client.

    Envoy does not log which rule. The client names it where it is the one that receives such an answer.
    """
    refused = [
        (proxy, entry)
        for proxy, log in (
            (evidence.topology.sidecar, evidence.sidecar),
            (evidence.topology.gateway, evidence.gateway),
        )
        for entry in log
        # One that had begun is an answer that broke off.
        if _PROTOCOL_ERROR in entry.flags and entry.status >= 500
    ]
    if refused:
        who = min(proxy for proxy, _ in refused)
        shown = say(ShownCase.REFUSES_ANSWERS, proxy=who, count=len(refused))
        entries = [entry for _, entry in refused]
        yield Finding(Cause.BROKEN_HTTP, "access logs", shown, len(entries), first_of(entries))


def two_nodes(evidence: Evidence) -> Iterator[Finding]:
    """Answers with more than one node header, which name no node."""
    count = count_of(evidence, ReasonCode.TWO_NODES)
    if count:
        shown = say(ShownCase.HEADER_TWICE, count=count, header=NODE_HEADER)
        yield Finding(Cause.TWO_NODES, "client", shown, count)


def foreign_page(evidence: Evidence) -> Iterator[Finding]:
    """Wrong bodies that carry the right mark: only their hash shows it."""
    for (subset, reason), count in evidence.reasons.items():
        if code_of(reason) is not ReasonCode.WRONG_BODY:
            continue
        body = evidence.bodies.get((subset, reason), "")
        for node in evidence.nodes:
            if f"{NODE_HEADER}: {node}" in body.lower() and evidence.pages.get(node, "\0") in body:
                shown = say(ShownCase.MARK_IN_FOREIGN_PAGE, node=node, mark=evidence.pages[node])
                yield Finding(Cause.FOREIGN_PAGE, "client", shown, count)
