"""What answers hardly show: failures behind retries, connections that end, a few slow requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.bounds import chance_of_at_least
from bench.experiment.faults.diagnosis.cause import Cause, Finding
from bench.experiment.faults.diagnosis.entries import FEW, WINDOW_US, first_of, sent_to
from bench.experiment.faults.diagnosis.shown import ShownCase
from bench.message import say
from bench.telemetry import EnvoyEntry, NodeEntry

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

_MANY_WINDOWS = 3
_FEW_AT_ONE = FEW // 2
"""Requests of a window that say whether connections are kept: either all end, or hardly any."""
_MOSTLY = 0.8
_ENDED = "UC"
"""Envoy's flag: the upstream connection ended under the request."""
_BEFORE_ANSWER = "upstream_reset_before_response_started"
_SLOW_US = tuple(round(10_000 * 1.35**step) for step in range(10))
"""Beyond the median: where the places begin at which slow requests are looked for, up to 0.2 s."""
_REACH = 1.5
"""Each place ends at this multiple: requests that are slow for one reason are slow by about the same time."""
_SHORT_WINDOW_US = 50_000
"""So short that one pause of the machine is one window."""
_CHANCE = 1e-5 / len(_SLOW_US)
_SMALL_SHARE = 0.2


def hidden_failures(evidence: Evidence) -> Iterator[Finding]:
    """Requests that failed at a node, were sent again, and were answered correctly."""
    by_node = {node: hidden_ids(evidence, node) for node in evidence.nodes}
    for node, ids in by_node.items():
        if not ids:
            continue
        entries = [entry for entry in evidence.gateway if entry.id in ids]
        sent = len({entry.id for entry in evidence.nodes[node]})
        shown = say(ShownCase.FAILED_AND_SENT_AGAIN, node=node, failed=len(ids), sent=sent)
        yield Finding(Cause.HIDDEN_FAILURES, "access logs", shown, len(ids), first_of(entries))


def hidden_ids(evidence: Evidence, node: str) -> set[str | None]:
    """Requests that a node failed and that ended well all the same."""
    failed = {entry.id for entry in evidence.nodes[node] if entry.status >= 500}
    well = {entry.id for entry in evidence.gateway if entry.attempts > 1 and entry.status < 500}
    return failed & well


def closed(evidence: Evidence) -> Iterator[Finding]:
    """A node that ends each connection after its first request."""
    for node, entries in evidence.nodes.items():
        windows: defaultdict[int, list[NodeEntry]] = defaultdict(list)
        for entry in entries:
            windows[entry.time_us // WINDOW_US].append(entry)
        full = {window: many for window, many in windows.items() if len(many) >= _FEW_AT_ONE}
        ending = [many for many in full.values() if _first_ones(many) >= _MOSTLY * len(many)]
        touched = sum(len(many) for many in ending)
        # A burst opens as many connections, and keeps them.
        is_many = len(ending) >= _MANY_WINDOWS and touched >= 2 * FEW
        if is_many and evidence.ended_by.get(node, 0) >= _MOSTLY * touched:
            shown = say(
                ShownCase.ENDS_EACH_CONNECTION,
                node=node,
                requests=touched,
                connections=sum(_first_ones(many) for many in ending),
                ended=evidence.ended_by[node],
            )
            yield Finding(
                Cause.CONNECTIONS_CLOSED,
                "access logs",
                shown,
                touched,
                min(one.time_us for one in ending[0]),
            )


def _first_ones(entries: Sequence[NodeEntry]) -> int:
    return sum(entry.connection_requests == 1 for entry in entries)


def reloaded(evidence: Evidence) -> Iterator[Finding]:
    """A node that runs on, and whose requests are served by another worker from some moment on."""
    for node, entries in evidence.nodes.items():
        workers = list(dict.fromkeys(entry.worker for entry in entries if entry.worker is not None))
        if len(workers) < 2 or node in evidence.died or node in evidence.restarted:
            continue
        later = [entry for entry in entries if entry.worker != workers[0]]
        shown = say(ShownCase.OTHER_WORKER, node=node, now=workers[1], before=workers[0])
        yield Finding(Cause.NODE_RELOADED, "access logs", shown, len(later), later[0].time_us)


def stale(evidence: Evidence) -> Iterator[Finding]:
    """Requests lost with a connection that had served others, at a node that never saw them.

    The node closed the connection, or something on the way did, while the request was under way to it.
    """
    if evidence.died or evidence.restarted or any(reloaded(evidence)):
        return
    lines = Counter(entry.id for entries in evidence.nodes.values() for entry in entries)
    served: Mapping[int | None, int] = _first_use(evidence.gateway)
    lost = [
        entry
        for entry in evidence.gateway
        if (
            _ENDED in entry.flags
            and _BEFORE_ANSWER in (entry.details or "")
            and entry.id not in lines
            and served.get(entry.upstream_connection, entry.time_us) < entry.time_us
        )
        # Sent again with success: then it is only missing in the node's log.
        or (entry.attempts > 1 and not entry.flags and lines[entry.id] < entry.attempts and not entry.failure)
    ]
    if lost:
        again = sum(not entry.flags for entry in lost)
        shown = say(ShownCase.LOST_WITH_CONNECTIONS, lost=len(lost), again=again)
        yield Finding(Cause.STALE_CONNECTIONS, "access logs", shown, len(lost), first_of(lost))


def _first_use(entries: Sequence[EnvoyEntry]) -> dict[int | None, int]:
    """Upstream connection -> when its first request that was answered came."""
    found: dict[int | None, int] = {}
    for entry in entries:
        if not entry.flags:
            known = found.get(entry.upstream_connection, entry.time_us)
            found[entry.upstream_connection] = min(known, entry.time_us)
    return found


def few_slow(evidence: Evidence) -> Iterator[Finding]:
    """A node of which some requests are slow by about the same time, again and again when others' are not.

    A machine that pauses makes requests slow by any time, to all nodes alike: a moment at which one node
    alone has such requests is that node's as likely as its part of all requests says (binomial test). With
    two nodes of equal traffic it is seen from 20 such moments on.
    """
    plain = {node: [one for one in sent_to(evidence, node) if _is_plain(one)] for node in evidence.nodes}
    usual = {node: _median(entries) for node, entries in plain.items() if entries}
    whole = sum(len(entries) for entries in plain.values())
    for node in usual if len(usual) > 1 else ():
        places = [_slow_at(least, plain, usual) for least in _SLOW_US]
        alone = [_alone(slow, node) for slow in places]
        chances = [chance_of_at_least(more, more + less, len(plain[node]) / whole) for more, less in alone]
        best = min(range(len(places)), key=chances.__getitem__)
        slow = places[best][node]
        if chances[best] > _CHANCE or len(slow) > _SMALL_SHARE * len(plain[node]):
            continue
        shown = say(
            ShownCase.SHARE_IS_SLOW,
            slow=len(slow),
            requests=len(plain[node]),
            node=node,
            ms=(_median(slow) - usual[node]) / 1000,
            alone=alone[best][0],
            others=alone[best][1],
        )
        yield Finding(Cause.SLOW_SHARE, "access logs", shown, len(slow), first_of(slow))


def _slow_at(
    least: int, plain: Mapping[str, Sequence[EnvoyEntry]], usual: Mapping[str, float]
) -> dict[str, list[EnvoyEntry]]:
    """Node -> its requests that took *least* longer than its median, and less than ``_REACH`` times that."""
    return {
        node: [one for one in plain[node] if least <= (one.duration_us or 0) - median < _REACH * least]
        for node, median in usual.items()
    }


def _alone(slow: Mapping[str, Sequence[EnvoyEntry]], node: str) -> tuple[int, int]:
    """In how many moments *node* alone had slow requests, and in how many only others."""
    own = {one.time_us // _SHORT_WINDOW_US for one in slow[node]}
    others = {one.time_us // _SHORT_WINDOW_US for name, many in slow.items() if name != node for one in many}
    return len(own - others), len(others - own)


def _is_plain(entry: EnvoyEntry) -> bool:
    return entry.duration_us is not None and entry.status == 200 and not entry.flags and entry.attempts == 1


def _median(entries: Sequence[EnvoyEntry]) -> float:
    return float(np.median([entry.duration_us or 0 for entry in entries]))
