"""What the accounts of all trials of a run come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis.bounds import misroute_upper_bound
from bench.result import BlindPair, Cause, LedgerLevel, LedgerResult, Result


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """All trials with an account."""

    level: LedgerLevel
    """The lowest that any trial ran at: what is claimed of all holds at this level."""
    trials: int
    balanced: int
    books: int
    requests: int
    named: Mapping[Cause, int]
    """Cause -> how often, over the counters' books of all trials."""
    unexplained: int
    """Of the book of each trial that has most of them, added up: one lost request can show in several."""
    troubles: tuple[str, ...]
    """One sentence for each book that does not balance, worst trials first."""
    damaged: tuple[str, ...]
    """Those of the troubles that say nothing of requests: a log or a counter was lost."""
    misroute_upper_bound: float | None
    """Of the whole; None unless every trial was matched."""
    blind_to: tuple[BlindPair, ...]
    """Pairs of errors that the level of some trial cannot distinguish from none."""
    connections: int | None
    """TLS connections whose peers were proven at both ends; None unless every trial was matched."""


def summarise_ledger(result: Result) -> LedgerSummary | None:
    """Sum up; None if no trial has an account."""
    accounts = [(trial.name, trial.ledger) for trial in result.trials if trial.ledger is not None]
    if not accounts:
        return None
    named: Counter[Cause] = Counter()
    unexplained = 0
    for _, account in accounts:
        for cause, count in _named(account).items():
            named[cause] += count
        unexplained += max((book.unexplained or 0 for book in account.books), key=abs, default=0)
    matched = [account for _, account in accounts if account.level == "full"]
    is_full = len(matched) == len(accounts)
    proofs = [account.connections for account in matched if account.connections is not None]
    return LedgerSummary(
        level="full" if is_full else "counters",
        trials=len(accounts),
        balanced=sum(account.is_balanced for _, account in accounts),
        books=sum(len(account.books) for _, account in accounts),
        requests=sum(account.requests for _, account in accounts),
        named=dict(named.most_common()),
        unexplained=unexplained,
        troubles=tuple(trouble for name, account in accounts for trouble in _troubles(name, account)),
        damaged=tuple(trouble for name, account in accounts for trouble in _damaged(name, account)),
        misroute_upper_bound=_bound(matched) if is_full else None,
        blind_to=tuple(dict.fromkeys(pair for _, account in accounts for pair in account.blind_to)),
        connections=sum(proof.right_servers for proof in proofs) if is_full and proofs else None,
    )


def _bound(matched: list[LedgerResult]) -> float | None:
    misrouted = sum(account.misrouted or 0 for account in matched)
    return misroute_upper_bound(misrouted, sum(account.matched or 0 for account in matched))


def _named(account: LedgerResult) -> Mapping[Cause, int]:
    """Of the counters alone: the books of matched ids contain the same requests again."""
    totals: Counter[Cause] = Counter()
    for book in account.books:
        if book.level == "counters":
            for cause, count in book.named.items():
                totals[cause] += abs(count)
    return totals


def _damaged(trial: str, account: LedgerResult) -> list[str]:
    found = []
    for book in account.books:
        if book.state == "incomplete":
            why = book.damages[0].text if book.damages else "a side is unknown"
            found.append(f"{trial}: the book “{book.title}” cannot be closed ({why})")
    return found


def _troubles(trial: str, account: LedgerResult) -> list[str]:
    found = _damaged(trial, account)
    for book in account.books:
        if book.state == "open":
            example = f", such as {book.examples[0].text}" if book.examples else ""
            found.append(f"{trial}: {book.unexplained:,} unexplained in the book “{book.title}”{example}")
    proof = account.connections
    if proof is not None and not proof.holds:
        example = f": {proof.examples[0]}" if proof.examples else ""
        found.append(
            f"{trial}: mutual TLS is not proven for all of {proof.connections_of_gateway:,} connections of"
            f" the gateway and {proof.connections_of_nodes:,} of the nodes{example}"
        )
    return found
