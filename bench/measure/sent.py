"""The client's side of the books: what it sent, what of that proxies pass on unread, and what rules copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from bench.ledger import ClientCounts, Through
from bench.load import LoadOutcome, LoadPlan
from bench.measure.copies import Range, copies_of
from bench.measure.topology import Topology
from bench.result import UNANSWERED, Reason, ReasonCode


def client_counts(outcome: LoadOutcome, *, without: Collection[str] = ()) -> ClientCounts:
    """What the generator says of a whole trial, all stages together, but for the requests *without*."""
    counts = [
        subset.counts for stage in outcome.stages for subset in stage.subsets if subset.name not in without
    ]
    by_code: Counter[ReasonCode] = Counter()
    for part in counts:
        for key, count in part.reasons.items():
            by_code[Reason.of(key).code] += count
    return ClientCounts(
        due=sum(part.due for part in counts),
        sent=sum(part.sent for part in counts),
        answered=sum(part.answered for part in counts),
        unsent=sum(part.unsent for part in counts),
        bad=sum(part.failed + part.misrouted for part in counts),
        # Each of these codes is of sent requests alone, so that no unsent one excuses them.
        unanswered=sum(by_code[code] for code in UNANSWERED),
        unreported=by_code[ReasonCode.WORKER_LOST],
    )


def counts_of(name: str, load: LoadPlan, outcome: LoadOutcome) -> ClientCounts:
    """What the generator says of the requests *name* alone."""
    return client_counts(outcome, without={kind.name for kind in load.requests} - {name})


def passed_on(load: LoadPlan, topology: Topology) -> frozenset[str]:
    """Names of the requests that sidecars pass on without reading them."""
    return frozenset(
        kind.name
        for kind in load.requests
        if kind.name in topology.unread or kind.protocol == "bytes" or load.target_of(kind).tls is not None
    )


def sent_past_sidecars(load: LoadPlan, outcome: LoadOutcome, topology: Topology) -> Through | None:
    """What was sent of the requests that the gateway reads, though no sidecar does; None: there are none."""
    found = through(load, outcome, topology.read_by_gateway)
    if not found:
        return None
    return Through((), sum(each.sent for each in found), sum(each.excused for each in found))


def through(load: LoadPlan, outcome: LoadOutcome, passed: frozenset[str]) -> tuple[Through, ...]:
    """What was sent of those, by the nodes that may answer."""
    found = []
    for kind in load.requests:
        if kind.name in passed:
            counts = counts_of(kind.name, load, outcome)
            found.append(Through(kind.expect.nodes, counts.sent, counts.unanswered + counts.unreported))
    return tuple(found)


def copies_at(topology: Topology, load: LoadPlan, outcome: LoadOutcome) -> tuple[Range, Range]:
    """What the rules of sidecars, and those of gateways, have sent to mirrors."""
    first, second = topology.copied_by_sidecars, topology.copied_by_gateways
    counts = {name: counts_of(name, load, outcome) for name in {*first, *second}}
    return copies_of(first, counts), copies_of(second, counts, before=first)
