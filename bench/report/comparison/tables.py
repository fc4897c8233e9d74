"""Figures of several results in columns, with each one's ratio to the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.analysis.conditions import ratio
from bench.report.document import Table
from bench.report.text import UNKNOWN
from bench.result import Result, TrialResult

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of every result."""

    names: tuple[str, ...]
    """What it is, one cell for each heading."""
    values: tuple[float | None, ...]


def letters(count: int) -> tuple[str, ...]:
    """What the results are called."""
    return tuple(LETTERS[:count])


def steady(result: Result) -> list[TrialResult]:
    """The trials at the scenario's own rate."""
    return [trial for trial in result.trials if trial.experiment == "steady"]


def figure_table(
    headings: tuple[str, ...], rows: Sequence[Row], write: Callable[[float | None], str], *, caption: str
) -> Table:
    """One row for each figure; a row that no result has is left out."""
    known = [row for row in rows if any(value is not None for value in row.values)]
    count = len(rows[0].values) if rows else 0
    called = letters(count)
    return Table(
        columns=(*headings, *called, *(f"{letter}/{called[0]}" for letter in called[1:])),
        rows=tuple(
            (
                *row.names,
                *(write(value) for value in row.values),
                *(_ratio(ratio(row.values, number)) for number in range(1, count)),
            )
            for row in known
        ),
        numbers_from=len(headings),
        caption=caption,
    )


def _ratio(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"
