"""The ledger as a balance sheet: both sides are equal, what is open stands last."""

from types import SimpleNamespace

from bench.report.sections.balance_sheet import balance_sheet
from bench.result import Book, Cause, LedgerBook, LedgerResult


def account(*books):
    return SimpleNamespace(ledger=LedgerResult(level="counters", books=books, requests=100))


def book(kind, left, right, unexplained=0, **named):
    state = "balanced" if unexplained == 0 else "open"
    causes = {Cause(name.replace("_", "-")): count for name, count in named.items()}
    return LedgerBook(
        level="counters",
        book=kind,
        left=left,
        right=right,
        named=causes,
        unexplained=unexplained,
        state=state,
    )


def sheet(*trials):
    return balance_sheet(SimpleNamespace(trials=trials))


def test_due_is_answered_unsent_or_named_and_both_sides_are_equal():
    table = sheet(
        account(book(Book.CLIENT, 100, 97, unsent=3), book(Book.GATEWAY_ROUTING, 97, 99, retry=-2)),
        account(book(Book.CLIENT, 50, 50), book(Book.GATEWAY_ROUTING, 50, 50)),
        SimpleNamespace(ledger=None),
    )

    assert table.rows[:3] == (
        ("client: due", "150", ""),
        ("— answered and failed", "", "147"),
        ("— unsent", "", "3"),
    )
    assert table.rows[-2:] == (("both sides", "297", "297"), ("unexplained", "", "0"))
    assert table.marks[-1] == "good"


def test_what_nobody_can_name_is_open_on_the_sheet():
    table = sheet(account(book(Book.CLIENT_TO_SIDECAR, 100, 98, unexplained=2)))

    assert ("— unexplained", "", "2") in table.rows
    assert table.rows[-2:] == (("both sides", "100", "100"), ("unexplained", "", "2"))
    assert table.marks[-1] == "bad"


def test_unknown_is_never_zero():
    table = sheet(account(book(Book.CLIENT_TO_SIDECAR, 100, None, unexplained=None)))

    assert table.rows[1] == ("— read by the sidecar", "", "–")
    assert table.rows[-2:] == (("both sides", "100", "–"), ("unexplained", "", "–"))


def test_without_an_account_there_is_no_sheet():
    assert sheet(SimpleNamespace(ledger=None)) is None
