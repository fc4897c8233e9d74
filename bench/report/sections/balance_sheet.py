"""The ledger of a run as a balance sheet: what a hop was given, what became of it, and what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bench.report.document import Mark, Table
from bench.report.text import UNKNOWN
from bench.result import Book, Cause, LedgerBook, Result
from bench.units import format_count


@dataclass(slots=True)
class _Account:
    """One book over all trials. None: unknown in one of them."""

    book: Book
    title: str
    debit: int | None = 0
    credit: int | None = 0
    unexplained: int | None = 0
    named: Counter[Cause] = field(default_factory=Counter)

    def add(self, book: LedgerBook) -> None:
        """Add the book of one trial."""
        self.debit = _added(self.debit, book.left)
        self.credit = _added(self.credit, book.right)
        self.unexplained = _added(self.unexplained, book.unexplained)
        self.named.update(book.named)


def balance_sheet(result: Result) -> Table | None:
    """All trials added up, hop by hop; None without an account."""
    accounts = list(_accounts(result))
    if not accounts:
        return None
    rows: list[tuple[str, ...]] = []
    marks: list[Mark] = []
    for account in accounts:
        lines = [(f"{account.title}: {account.book.left}", format_count(account.debit), "")]
        lines.append((f"— {account.book.right}", "", format_count(account.credit)))
        lines += [(f"— {cause.text}", "", format_count(count)) for cause, count in account.named.items()]
        is_open = account.unexplained != 0
        if is_open:
            lines.append(("— unexplained", "", format_count(account.unexplained)))
        rows += lines
        plain: list[Mark] = ["plain"] * (len(lines) - 1)
        marks += [*plain, "bad" if is_open else "plain"]
    debit = _sum(account.debit for account in accounts)
    credit = _sum(
        _added(_added(account.credit, account.unexplained), account.named.total()) for account in accounts
    )
    rows.append(("both sides", format_count(debit), format_count(credit)))
    opened = _sum(None if each.unexplained is None else abs(each.unexplained) for each in accounts)
    rows.append(("unexplained", "", UNKNOWN if opened is None else format_count(opened)))
    marks += ["plain", "good" if opened == 0 else "bad"]
    return Table(
        columns=("all trials, warm-ups included", "debit", "credit"),
        rows=tuple(rows),
        marks=tuple(marks),
        total_row=True,
        caption="Balance sheet of the requests: what a hop was given, and what became of it.",
    )


def _accounts(result: Result) -> Iterator[_Account]:
    found: dict[str, _Account] = {}
    for trial in result.trials:
        for book in trial.ledger.books if trial.ledger is not None else ():
            if book.level == "counters":
                found.setdefault(book.title, _Account(book.book, book.title)).add(book)
    yield from found.values()


def _added(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _sum(values: Iterable[int | None]) -> int | None:
    total: int | None = 0
    for value in values:
        total = _added(total, value)
    return total
