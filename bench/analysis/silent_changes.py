"""What changes silently: failures that retries hide, connections that are not kept."""

from __future__ import annotations

from collections.abc import Sequence

from bench.result import Book, Cause, RunWarning, TrialResult

MOST_NEW_PER_1000 = 10.0
"""Up to this many new connections in 1,000 requests come from a breathing pool, not from a closing peer."""
_ROUTING = (Book.SIDECAR_ROUTING, Book.GATEWAY_ROUTING)


def retried(trials: Sequence[TrialResult]) -> int | None:
    """Attempts that sidecar and gateway made again, warm-up included; None if a trial has no closed account.

    Each represents a failure that the client never saw.
    """
    counts = [_retried(trial) for trial in trials]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _retried(trial: TrialResult) -> int | None:
    if trial.ledger is None:
        return None
    books = [book for book in trial.ledger.books if book.level == "counters" and book.book in _ROUTING]
    if len(books) < len(_ROUTING) or any(book.state == "incomplete" for book in books):
        return None
    return sum(abs(book.named.get(Cause.RETRY, 0)) for book in books)


def judge_retries(trials: Sequence[TrialResult]) -> tuple[RunWarning, ...]:
    """Were failures hidden by trying again?"""
    found = []
    for trial in trials:
        count = _retried(trial)
        if count and trial.ledger is not None:
            found.append(
                RunWarning(
                    code="retries-hid-failures",
                    message=f"{trial.name}: {count:,} attempts were made again in {trial.ledger.requests:,}"
                    f" requests ({count / max(trial.ledger.requests, 1):.2%}): the client did not see"
                    " these failures.",
                    advice="Their cause is in the proxies' logs. `limits: {retried: N}` makes it a limit.",
                )
            )
    return tuple(found)


def connections_per_1000(trial: TrialResult) -> float | None:
    """Upstream connections of the gateway that were opened for 1,000 requests of the measured stage."""
    opened, sent = trial.new_upstream_connections, trial.total.sent
    return opened * 1000 / sent if opened is not None and sent else None


def judge_connections(
    trials: Sequence[TrialResult], *, requests_per_connection: int | None = None
) -> tuple[RunWarning, ...]:
    """Are connections kept as they must be, in the trials that keep them?

    Args:
        trials: of the steady experiment.
        requests_per_connection: the lowest ``maxRequestsPerConnection`` of the resources; None: no limit.
    """
    expected = 1000 / requests_per_connection if requests_per_connection else 0.0
    found = []
    for trial in trials:
        opened = connections_per_1000(trial)
        if opened is None or opened <= 1.5 * expected + MOST_NEW_PER_1000:
            continue
        shakes = trial.handshakes
        tls = f", {shakes * 1000 / trial.total.sent:.3g} TLS handshakes" if shakes is not None else ""
        found.append(
            RunWarning(
                code="connections-not-kept",
                message=f"{trial.name}: the gateway opened {opened:.3g} connections{tls} for 1,000 requests,"
                f" expected {expected:.3g}.",
                advice="A node, or something before it, closes connections: look at its keep-alive settings.",
            )
        )
    return tuple(found)
