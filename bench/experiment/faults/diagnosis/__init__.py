"""From what the instruments saw to a cause: rules that know the evidence alone, never what was done.

Most specific first: a rule that explains wrong answers keeps the general alarm, at the end, from ringing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bench.experiment.faults.diagnosis import answers, connections, nodes, proxies, routing, tls
from bench.experiment.faults.diagnosis.cause import Cause, Finding, Instrument
from bench.experiment.faults.diagnosis.shown import ShownCase
from bench.message import Message, say
from bench.result import LedgerBook, Reason

if TYPE_CHECKING:
    from bench.experiment.faults.evidence import Evidence

__all__ = ["Cause", "Finding", "Instrument", "ShownCase", "diagnose"]


_RULES: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    proxies.gateway_restarted,
    nodes.node_down,
    tls.tls,
    proxies.proxy_frozen,
    proxies.ghosts,
    answers.other_ids,
    answers.broken_http,
    answers.two_nodes,
    connections.hidden_failures,
    nodes.node_errors,
    answers.wrong_page,
    answers.truncated,
    answers.foreign_page,
    routing.wrong_node,
    routing.other_shares,
    routing.duplicates,
    nodes.node_frozen,
    connections.stale,
    # A connection for each request makes a node slow.
    connections.closed,
    nodes.node_slow,
    # Other faults reload nodes on their way: after all that explains more.
    connections.reloaded,
    connections.few_slow,
)


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """Every cause that the evidence shows, the clearest first; empty if nothing is the matter."""
    found = [finding for rule in _RULES for finding in rule(evidence)]
    if found:
        return tuple(found)
    return tuple(_general(evidence))


def _general(evidence: Evidence) -> Iterator[Finding]:
    if evidence.bad:
        (subset, reason), _ = max(evidence.reasons.items(), key=lambda item: item[1])
        shown = say(ShownCase.WRONG_ANSWERS, subset=subset, reason=Reason.of(reason))
        yield Finding(Cause.WRONG_ANSWERS, "client", shown, evidence.bad)
    elif not evidence.ledger.is_balanced:
        wrong = next((book for book in evidence.ledger.books if book.state != "balanced"), None)
        count = abs(wrong.unexplained or 0) if wrong else 0
        yield Finding(Cause.UNBALANCED, "ledger", _imbalance(wrong), count)


def _imbalance(book: LedgerBook | None) -> Message:
    if book is None:
        return say(ShownCase.PEER_UNEXPECTED)
    shown = next(iter((*book.damages, *book.examples)), None)
    if shown is None:
        return say(ShownCase.BOOK_OPEN_UNSHOWN, book=book)
    return say(ShownCase.BOOK_OPEN, book=book, shown=shown)
