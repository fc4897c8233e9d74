"""Long tables step back behind one line; what went wrong in them stays in sight."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.report.document import Part, Table

MOST_ROWS: Final = 12
"""A table with more is folded."""


def fold(table: Table, summary: str) -> tuple[Part, ...]:
    """The table as it is if it is short; else its bad rows, then all of it behind *summary*."""
    if len(table.rows) <= MOST_ROWS:
        return (table,)
    bad = tuple(row for number, row in enumerate(table.rows) if table.mark(number) == "bad")
    whole = replace(table, folded=summary)
    if not bad:
        return (whole,)
    wrong = replace(
        table,
        rows=bad,
        marks=tuple("bad" for _ in bad),
        caption=f"What went wrong. {table.caption}".strip(),
        total_row=False,
    )
    return (wrong, whole)
