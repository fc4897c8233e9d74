"""Where every request went: the books of each trial, and what their differences are called."""

from __future__ import annotations

from bench.analysis.ledger import summarise_ledger
from bench.report.document import Facts, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.sections.balance_sheet import balance_sheet
from bench.report.text import UNKNOWN, bound, seconds
from bench.result import LedgerBook, Result, TrialResult
from bench.units import format_bytes, format_count

MOST_TROUBLES = 20
_LEVELS = {
    "counters": "counters: what each hop counted",
    "full": "full: every request id was looked up in the logs of all hops",
}


def ledger(result: Result) -> Section:
    """The accounts of all trials."""
    summary = summarise_ledger(result)
    if summary is None:
        return _section((Note("No account was kept: the path is not ours, or no trial ended."),))
    facts = [
        ("level", _LEVELS[summary.level]),
        ("trials that balance", f"{summary.balanced} of {summary.trials}"),
        ("requests", format_count(summary.requests)),
        ("unexplained", format_count(summary.unexplained)),
    ]
    if summary.level == "full":
        facts += [
            ("misroute rate, 95 %", bound(summary.misroute_upper_bound)),
            ("TLS connections with the right peers at both ends", format_count(summary.connections)),
            *_expected_peers(result),
            ("matching took", seconds(_sum(result, "matching_s"))),
            ("logs matched", format_bytes(_sum(result, "log_bytes"))),
        ]
    parts: list[Part] = [Facts(tuple(facts))]
    reported = dict.fromkeys(
        missing.text
        for trial in result.trials
        if trial.ledger is not None
        for missing in trial.ledger.missing
    )
    parts += [Note(f"{text}.") for text in reported]
    if summary.blind_to:
        pairs = "; ".join(pair.text for pair in summary.blind_to)
        parts.append(Note(f"This level does not see pairs of equal number: {pairs}. Level full does."))
    parts += [Note(f"{text}.", "bad") for text in summary.troubles[:MOST_TROUBLES]]
    if len(summary.troubles) > MOST_TROUBLES:
        parts.append(Note(f"{len(summary.troubles) - MOST_TROUBLES} more are in result.json.", "bad"))
    sheet = balance_sheet(result)
    if sheet is not None:
        parts.append(sheet)
    parts += fold(
        _books(result), f"The books of all trials: {summary.balanced} of {summary.trials} trials balance"
    )
    if any(book.remarks for trial in result.trials for book in _books_of(trial)):
        parts += [
            Note(f"{trial.name}, {book.title}: {remark.text}.")
            for trial in result.trials
            for book in _books_of(trial)
            for remark in book.remarks
        ][:MOST_TROUBLES]
    return _section(tuple(parts))


def _expected_peers(result: Result) -> list[tuple[str, str]]:
    """Whom each end had to see: as often as a trial had others."""
    proofs = [
        trial.ledger.connections
        for trial in result.trials
        if trial.ledger is not None and trial.ledger.connections is not None
    ]
    servers = dict.fromkeys(proof.expected_server for proof in proofs)
    clients = dict.fromkeys(proof.expected_client for proof in proofs)
    if not proofs:
        return []
    return [
        ("servers that the gateway had to see", "; ".join(servers)),
        ("client that the nodes had to see", "; ".join(clients)),
    ]


def _section(parts: tuple[Part, ...]) -> Section:
    return Section(
        anchor="ledger",
        title="Ledger",
        lead="Client, sidecar, gateway and nodes each count, from before the warm-up until everything was"
        " answered. Each book compares two of them; a difference has a name or is unexplained.",
        parts=parts,
    )


def _books(result: Result) -> Table:
    """Each book of each trial; those of trials in which all is equal and nothing is named in one line."""
    rows: list[tuple[str, ...]] = []
    marks: list[str] = []
    for trial in result.trials:
        books = _books_of(trial)
        plain = [book for book in books if book.state == "balanced" and not book.named]
        if books and len(plain) == len(books):
            due = books[0].left
            rows.append(
                (trial.name, f"all {len(books)} books", "", format_count(due), format_count(due), "", "0")
            )
            marks.append("good")
            continue
        for book in books:
            rows.append(_row(trial.name, book))
            marks.append("good" if book.state == "balanced" else "bad")
    return Table(
        columns=("trial", "book", "named", "left", "right", "state", "unexplained"),
        rows=tuple(rows),
        numbers_from=3,
        marks=tuple("good" if mark == "good" else "bad" for mark in marks),
        caption="Left = right + named + unexplained.",
    )


def _row(trial: str, book: LedgerBook) -> tuple[str, ...]:
    named = ", ".join(f"{cause.text} {count:,}" for cause, count in book.named.items())
    return (
        trial,
        f"{book.title} ({book.book.left} / {book.book.right})",
        named,
        format_count(book.left),
        format_count(book.right),
        book.state,
        UNKNOWN if book.unexplained is None else format_count(book.unexplained),
    )


def _books_of(trial: TrialResult) -> tuple[LedgerBook, ...]:
    return trial.ledger.books if trial.ledger is not None else ()


def _sum(result: Result, name: str) -> float | None:
    values = [getattr(trial.ledger, name) for trial in result.trials if trial.ledger is not None]
    known = [value for value in values if value is not None]
    return sum(known) if known else None
