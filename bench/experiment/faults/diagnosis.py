"""From what the instruments saw to a cause: rules that know the evidence alone, never what was done.

Most specific first: a rule that explains wrong answers keeps the general alarm, at the end, from ringing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.headers import NODE_HEADER
from bench.result import Reason, ReasonCode
from bench.telemetry import EnvoyEntry, NodeEntry

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

Instrument = Literal["client", "process watch", "access logs", "ledger"]


class Cause(StrEnum):
    """What can be the matter."""

    GATEWAY_RESTARTED = "the gateway was restarted"
    SIDECAR_FROZEN = "the sidecar stood still"
    GATEWAY_FROZEN = "the gateway stood still"
    GHOST = "answers that did not come through the gateway"
    OTHER_ID = "answers belong to other requests"
    NODE_DOWN = "a node does not run"
    NODE_FROZEN = "a node stood still"
    NODE_ERRORS = "a node answers with errors"
    NODE_SLOW = "a node, or the way to it, is slow"
    TRUNCATED_BODY = "answers break off in their middle"
    WRONG_PAGE = "a node serves another node's page"
    ENDPOINTS_SWAPPED = "a cluster has another subset's endpoints"
    ROUTES_SWAPPED = "a route leads to another subset"
    STRAY_MISROUTE = "single requests are led to another subset"
    DUPLICATE_DELIVERY = "a request was delivered more than once"
    NO_CLIENT_CERTIFICATE = "the gateway presents no client certificate"
    UNTRUSTED_SERVER = "the gateway does not trust the nodes' certificate"
    EXPIRED_CERTIFICATE = "a node's certificate has expired"
    WRONG_ANSWERS = "wrong answers without a known cause"
    UNBALANCED = "the ledger does not balance"


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, with what shows it."""

    cause: Cause
    instrument: Instrument
    """What saw the evidence that names the cause."""
    detail: str
    requests: int
    """Touched."""
    since_us: int | None = None
    """Start of the first request that was touched, microseconds since the epoch."""


_FROZEN_US = 500_000
_SLOWER_US = 5_000
_WINDOW_US = 250_000
_MANY_WINDOWS = 3
_FEW = 8
"""Answers that a window needs to say something."""
_STRAY = 0.05
"""Below this part of a subset's requests, misroutes are strays."""
_EXPIRED = "certificate has expired"
_VERIFY_FAILED = "CERTIFICATE_VERIFY_FAILED"
_NOT_CONNECTED = "connection_timeout"
"""In Envoy's response code details."""


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """Every cause that the evidence shows, the most telling first; empty if nothing is the matter."""
    found = [finding for rule in _RULES for finding in rule(evidence)]
    if found:
        return tuple(found)
    return tuple(_general(evidence))


def _gateway_restarted(evidence: Evidence) -> Iterator[Finding]:
    gateway = evidence.topology.gateway
    if gateway in evidence.restarted:
        failed = [entry for entry in evidence.sidecar if _is_failure(entry)]
        yield Finding(
            Cause.GATEWAY_RESTARTED,
            "process watch",
            f"{gateway} is another process than before, and its counters began again",
            evidence.bad,
            _first(failed),
        )


def _proxy_frozen(evidence: Evidence) -> Iterator[Finding]:
    """A proxy that runs and takes nothing for long, though requests come to it.

    Requests come to the sidecar by a schedule without a pause, and to the gateway whenever the sidecar has
    any: of the two, the first that is silent is the one that stood still.
    """
    if evidence.restarted or evidence.died:
        return
    gap = _longest_pause(evidence.sidecar)
    if gap is not None and gap[1] - gap[0] >= _FROZEN_US:
        waited = [entry for entry in evidence.sidecar if gap[1] <= entry.time_us < gap[1] + _WINDOW_US]
        detail = f"{evidence.topology.sidecar} took no request for {(gap[1] - gap[0]) / 1e6:.2f} s"
        yield Finding(Cause.SIDECAR_FROZEN, "access logs", detail, len(waited), gap[0])
        return
    gap = _longest_pause(evidence.gateway)
    if gap is None or gap[1] - gap[0] < _FROZEN_US:
        return
    waited = [
        entry
        for entry in evidence.sidecar
        if gap[0] <= entry.time_us < gap[1] and entry.time_us + (entry.duration_us or 0) >= gap[1]
    ]
    if len(waited) >= _FEW:
        detail = (
            f"{evidence.topology.gateway} took no request for {(gap[1] - gap[0]) / 1e6:.2f} s, while"
            f" {len(waited)} waited for it at the sidecar"
        )
        yield Finding(Cause.GATEWAY_FROZEN, "access logs", detail, len(waited), _first(waited))


def _longest_pause(entries: Sequence[EnvoyEntry]) -> tuple[int, int] | None:
    times = sorted(entry.time_us for entry in entries)
    return max(pairwise(times), key=lambda pair: pair[1] - pair[0], default=None)


def _ghosts(evidence: Evidence) -> Iterator[Finding]:
    """Plain answers that the sidecar had from its upstream, to requests that the gateway never saw."""
    if evidence.restarted or not evidence.gateway:
        return
    behind = {entry.id for entry in evidence.gateway}
    ghosts = [
        entry
        for entry in evidence.sidecar
        if entry.status == 200
        and not entry.flags
        and evidence.wanted.get(entry.id or "")
        # A request that the sidecar answered by itself had no attempt.
        and entry.attempts
        and entry.id not in behind
    ]
    if ghosts:
        detail = f"{len(ghosts)} plain answers, such as to {ghosts[0].id}, that the gateway has no line of"
        yield Finding(Cause.GHOST, "ledger", detail, len(ghosts), _first(ghosts))


def _other_ids(evidence: Evidence) -> Iterator[Finding]:
    count = sum(number for (_, key), number in evidence.reasons.items() if _code(key) is ReasonCode.WRONG_ID)
    if count:
        detail = f"{count} answers bear the id of another request"
        yield Finding(Cause.OTHER_ID, "client", detail, count)


def _node_down(evidence: Evidence) -> Iterator[Finding]:
    for node in evidence.nodes:
        if node in evidence.died:
            failed = [entry for entry in _sent_to(evidence, node) if _is_failure(entry)]
            if failed:
                flags = ", ".join(sorted({flag for entry in failed for flag in entry.flags}))
                detail = f"the process of {node} has ended; the gateway's requests to it end with {flags}"
                yield Finding(Cause.NODE_DOWN, "process watch", detail, len(failed), _first(failed))


def _node_frozen(evidence: Evidence) -> Iterator[Finding]:
    """A node that runs, says nothing for long while others do, and lets wait what is sent to it."""
    for node, entries in evidence.nodes.items():
        gap = _longest_gap(entries)
        if node in evidence.died or gap is None or gap[1] - gap[0] < _FROZEN_US:
            continue
        start, end = gap
        waited = [
            entry
            for entry in _sent_to(evidence, node)
            if start - _WINDOW_US <= entry.time_us < end and _waited_in_vain(entry, end)
        ]
        others = [
            other
            for name, log in evidence.nodes.items()
            if name != node
            for other in log
            if start < other.time_us < end
        ]
        if len(waited) >= _FEW and len(others) >= _FEW:
            detail = (
                f"{node} runs, and answered nothing for {(end - start) / 1e6:.2f} s, while"
                f" {len(waited)} requests waited for it"
            )
            yield Finding(Cause.NODE_FROZEN, "access logs", detail, len(waited), _first(waited))


def _node_errors(evidence: Evidence) -> Iterator[Finding]:
    for node, entries in evidence.nodes.items():
        failed = [entry for entry in entries if entry.status >= 500]
        if failed:
            statuses = ", ".join(str(status) for status in sorted({entry.status for entry in failed}))
            detail = f"{node} itself logs status {statuses}"
            yield Finding(Cause.NODE_ERRORS, "client", detail, len(failed), failed[0].time_us)


def _node_slow(evidence: Evidence) -> Iterator[Finding]:
    """A node whose quickest answers take longer than they did, while the others' do not.

    The 10th percentile of a quarter of a second: a busy machine makes many requests slow, never all of them.
    """
    rises = {node: _rises(_sent_to(evidence, node)) for node in evidence.nodes}
    for node, rise in rises.items():
        others = [other for name, many in rises.items() if name != node for other in many.values()]
        slow = {
            window: by
            for window, by in rise.items()
            if by >= _SLOWER_US
            and all(other.get(window, 0) < by / 2 for name, other in rises.items() if name != node)
        }
        if len(slow) < _MANY_WINDOWS or not others:
            continue
        by = float(np.median(list(slow.values())))
        touched = [entry for entry in _sent_to(evidence, node) if entry.time_us // _WINDOW_US in slow]
        detail = (
            f"the quickest answers of {node} take {by / 1000:.1f} ms longer than before, no other node's do"
        )
        yield Finding(Cause.NODE_SLOW, "access logs", detail, len(touched), _first(touched))


def _truncated(evidence: Evidence) -> Iterator[Finding]:
    count = sum(
        number for (_, key), number in evidence.reasons.items() if _code(key) is ReasonCode.ANSWER_CUT
    )
    if not count or evidence.died or evidence.restarted:
        return
    broken = [entry for entry in evidence.gateway if entry.status == 200 and _is_failure(entry)]
    by_node = Counter(node for entry in broken if (node := _node_of(evidence, entry)) is not None)
    node = by_node.most_common(1)[0][0] if by_node else "a node"
    detail = f"{node} begins its answers and breaks them off: status 200, and the connection ends"
    yield Finding(Cause.TRUNCATED_BODY, "client", detail, count, _first(broken))


def _wrong_page(evidence: Evidence) -> Iterator[Finding]:
    for (subset, reason), count in evidence.reasons.items():
        if _code(reason) is not ReasonCode.WRONG_BODY:
            continue
        body = evidence.bodies.get((subset, reason), "")
        answering = [node for node in evidence.nodes if f"{NODE_HEADER}: {node}" in body.lower()]
        for node in answering:
            for other, mark in evidence.pages.items():
                if other != node and mark in body:
                    detail = f"{node} answers with the page of {other} ({mark})"
                    yield Finding(Cause.WRONG_PAGE, "client", detail, count)


def _wrong_node(evidence: Evidence) -> Iterator[Finding]:
    """Requests at a node that must not answer them: did the route or the cluster lead there?"""
    cluster_of = {entry.id: entry.cluster or "" for entry in evidence.gateway}
    by_cluster: list[NodeEntry] = []
    by_route: list[NodeEntry] = []
    for entry in _at_nodes(evidence):
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
        for entry in _at_nodes(evidence)
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


def _duplicates(evidence: Evidence) -> Iterator[Finding]:
    seen = Counter(entry.id for entry in _at_nodes(evidence))
    attempts: Counter[str | None] = Counter()
    for entry in evidence.gateway:
        attempts[entry.id] += max(entry.attempts, 1)
    twice = [request_id for request_id, count in seen.items() if count > 1 and count > attempts[request_id]]
    if twice:
        times = [entry.time_us for entry in _at_nodes(evidence) if entry.id == twice[0]]
        detail = f"{twice[0]} is {seen[twice[0]]} times in the nodes' logs, and the gateway sent it once"
        yield Finding(Cause.DUPLICATE_DELIVERY, "ledger", detail, len(twice), min(times))


def _tls(evidence: Evidence) -> Iterator[Finding]:
    bare = [
        entry
        for entry in _at_nodes(evidence)
        if entry.status == 400 and (entry.client_verify or "NONE") == "NONE"
    ]
    if bare:
        nodes = ", ".join(sorted({entry.node for entry in bare}))
        detail = f"{nodes} refuse with 400: no client certificate was sent"
        yield Finding(Cause.NO_CLIENT_CERTIFICATE, "client", detail, len(bare), bare[0].time_us)
    refused = [entry for entry in evidence.gateway if _VERIFY_FAILED in (entry.failure or "")]
    expired = [entry for entry in refused if _EXPIRED in (entry.failure or "").replace("_", " ")]
    distrusted = [entry for entry in refused if entry not in expired]
    for cause, entries in ((Cause.EXPIRED_CERTIFICATE, expired), (Cause.UNTRUSTED_SERVER, distrusted)):
        if entries:
            detail = f"handshakes of the gateway fail: {_said(entries[0].failure)}"
            yield Finding(cause, "client", detail, len(entries), _first(entries))


def _general(evidence: Evidence) -> Iterator[Finding]:
    if evidence.bad:
        (subset, reason), _ = max(evidence.reasons.items(), key=lambda item: item[1])
        yield Finding(Cause.WRONG_ANSWERS, "client", f"{subset}: {Reason.of(reason).text}", evidence.bad)
    elif not evidence.ledger.is_balanced:
        wrong = next((book for book in evidence.ledger.books if book.state != "balanced"), None)
        detail = "a TLS peer is not the expected one"
        if wrong is not None:
            shown = [*(each.text for each in wrong.damages), *(each.text for each in wrong.examples)]
            detail = f"{wrong.title}: {wrong.unexplained} unexplained {' '.join(shown[:1])}"
        yield Finding(Cause.UNBALANCED, "ledger", detail, abs(wrong.unexplained or 0) if wrong else 0)


_RULES: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    _gateway_restarted,
    _node_down,
    _tls,
    _proxy_frozen,
    _ghosts,
    _other_ids,
    _node_errors,
    _wrong_page,
    _truncated,
    _wrong_node,
    _duplicates,
    _node_frozen,
    _node_slow,
)


def _said(failure: str | None) -> str:
    """The last words of a chain of TLS errors, which Envoy writes as one word with colons."""
    parts = [part for part in (failure or "").split(":") if part.strip("_")]
    words = [part for part in parts if not part.startswith("TLS_error")]
    return " ".join(words[-1].split("_")).strip() if words else "unknown"


def _is_failure(entry: EnvoyEntry) -> bool:
    return bool(entry.flags) or entry.status >= 500


def _waited_in_vain(entry: EnvoyEntry, end: int) -> bool:
    """Answered only when the silence was over, or given up because no connection came up in time.

    Such a connection takes all with it that wait for any, also those that have only just come.
    """
    waited = entry.duration_us or 0
    if entry.flags:
        return _NOT_CONNECTED in (entry.details or "")
    return entry.status == 200 and entry.time_us + waited >= end - _WINDOW_US and waited >= _WINDOW_US / 5


def _first(entries: Sequence[EnvoyEntry]) -> int | None:
    return min((entry.time_us for entry in entries), default=None)


def _at_nodes(evidence: Evidence) -> list[NodeEntry]:
    """All nodes' entries in the order in which they ended."""
    return sorted(
        (entry for entries in evidence.nodes.values() for entry in entries), key=lambda entry: entry.time_us
    )


def _node_of(evidence: Evidence, entry: EnvoyEntry) -> str | None:
    """The node that a cluster has alone."""
    behind = evidence.topology.cluster_nodes.get(entry.cluster or "", ())
    return behind[0] if len(behind) == 1 else None


def _sent_to(evidence: Evidence, node: str) -> list[EnvoyEntry]:
    """The gateway's entries of requests that are in a node's log, or whose cluster has that node alone."""
    there = {entry.id for entry in evidence.nodes.get(node, ())}
    return [entry for entry in evidence.gateway if entry.id in there or _node_of(evidence, entry) == node]


def _longest_gap(entries: Sequence[NodeEntry]) -> tuple[int, int] | None:
    times = sorted(entry.time_us for entry in entries)
    return max(pairwise(times), key=lambda pair: pair[1] - pair[0], default=None)


def _rises(entries: Iterable[EnvoyEntry]) -> dict[int, float]:
    """Window -> how much its quick answers take longer than those of the first windows, µs."""
    windows: defaultdict[int, list[int]] = defaultdict(list)
    for entry in entries:
        if entry.duration_us is not None and entry.status == 200 and not entry.flags:
            windows[entry.time_us // _WINDOW_US].append(entry.duration_us)
    quick = {
        window: float(np.percentile(values, 10))
        for window, values in sorted(windows.items())
        if len(values) >= _FEW
    }
    if len(quick) <= _MANY_WINDOWS:
        return {}
    usual = min(list(quick.values())[:_MANY_WINDOWS])
    return {window: value - usual for window, value in quick.items()}


def _code(key: str) -> ReasonCode:
    return Reason.of(key).code
