"""From a folder of result folders to one ``history.html`` and ``history.md``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.change_points import LEVEL, least_runs
from bench.analysis.history import Group, History, Series, history_of
from bench.analysis.verdict import judge
from bench.errors import BenchError, InputError
from bench.report.document import Chart, Document, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.history.chart import series_plot
from bench.report.pages import write_pages
from bench.report.text import UNKNOWN, with_unit
from bench.result import RESULT_FILE, Result, read_result


@dataclass(frozen=True, slots=True)
class Written:
    """A history and where it lies."""

    page: Path
    history: History
    unreadable: tuple[str, ...]
    """Why a folder's result was passed over."""


@dataclass(frozen=True, slots=True)
class _Headline:
    state: str
    sentence: str


def write_history(folder: Path, out: Path | None = None) -> Written:
    """Read every result below *folder* and write ``history.html`` and ``history.md``.

    Args:
        folder: a folder of result folders, such as ``reports``.
        out: where the two files go; None: into *folder*.

    Raises:
        InputError: there is no readable result, or the page cannot be written.
    """
    results, unreadable = _read(folder)
    if not results:
        why = f" {len(unreadable)} cannot be read; the first: {unreadable[0]}" if unreadable else ""
        raise InputError(
            f"there is no result below this folder.{why}",
            where=str(folder),
            remedy="Name a folder of result folders, such as reports/.",
        )
    history = history_of(results)
    document = build_history(history, unreadable)
    page = write_pages(out or folder, "history", document)
    return Written(page, history, unreadable)


def _read(folder: Path) -> tuple[list[Result], tuple[str, ...]]:
    results, unreadable = [], []
    for path in sorted(folder.glob(f"*/{RESULT_FILE}")):
        try:
            results.append(read_result(path.parent))
        except BenchError as error:
            unreadable.append(str(error))
    return results, tuple(unreadable)


def build_history(history: History, unreadable: Sequence[str] = ()) -> Document:
    """Put the document together."""
    runs = sum(len(group.results) for group in history.groups)
    return Document(
        title="History",
        description="The same measurement over time, and where its figures change their level.",
        byline=(("results", str(runs)), ("groups", str(len(history.groups)))),
        verdict=_headline(history),
        figures=(),
        answers=(),
        sections=(
            *(_group(group, number) for number, group in enumerate(history.groups, start=1)),
            *_left_out(history, unreadable),
        ),
        source="the result.json of each of these runs",
    )


def change_lines(history: History) -> list[str]:
    """Every change in a line, for the console."""
    return [
        f"{group.results[0].scenario}: {_change(group, series, number)}"
        for group in history.groups
        for series in group.series
        for number in range(len(series.changes))
    ]


def _headline(history: History) -> _Headline:
    changes = change_lines(history)
    if changes:
        return _Headline("changes", f"{len(changes)} changes of level: {'; '.join(changes)}.")
    longest = max((len(group.results) for group in history.groups), default=0)
    if longest < least_runs():
        return _Headline(
            "too few runs",
            f"At least {least_runs()} comparable runs are needed before a change shows through chance;"
            f" the largest group has {longest}.",
        )
    return _Headline("no change", f"No figure changes its level ({LEVEL:.0%} error probability in all).")


def _change(group: Group, series: Series, number: int) -> str:
    change = series.changes[number]
    run = series.runs[change.at]
    share = "" if change.share is None else f" ({change.share:+.1%})"
    what = f"; {', '.join(group.changed[run])} changed with it" if group.changed[run] else ""
    before, after = (with_unit(value, series.unit) for value in (change.before, change.after))
    return (
        f"{series.name} {before} → {after}{share}"
        f" from {group.results[run].started_at[:16].replace('T', ' ')} on{what}"
    )


def _group(group: Group, number: int) -> Section:
    first = group.results[0]
    machine = first.fingerprint.machine
    parts: list[Part] = []
    for position, series in enumerate(group.series):
        parts += [Note(_change(group, series, at)) for at in range(len(series.changes))]
        if svg := series_plot(group, series, name=f"series-{number}-{position}"):
            parts.append(Chart(f"series-{number}-{position}", series.name, svg))
    parts += fold(_runs(group), f"{len(group.results)} runs")
    return Section(
        f"group-{number}",
        f"{first.scenario}, {first.fingerprint.stack}",
        tuple(parts),
        f"{len(group.results)} runs on {machine.get('cpu', UNKNOWN)}, {machine.get('cores', UNKNOWN)} cores.",
    )


def _runs(group: Group) -> Table:
    known = [dict(zip(series.runs, series.values, strict=True)) for series in group.series]
    return Table(
        columns=("started", "verdict", "changed", *(series.name for series in group.series)),
        rows=tuple(
            (
                result.started_at[:19].replace("T", " "),
                judge(result).state,
                ", ".join(group.changed[run]) or UNKNOWN,
                *(
                    with_unit(values.get(run), series.unit)
                    for values, series in zip(known, group.series, strict=True)
                ),
            )
            for run, result in enumerate(group.results)
        ),
        numbers_from=3,
        caption="Every run, the oldest first.",
    )


def _left_out(history: History, unreadable: Sequence[str]) -> list[Section]:
    rows = [
        (result.started_at[:19].replace("T", " "), result.run_id, why) for result, why in history.left_out
    ]
    rows += [(UNKNOWN, UNKNOWN, why) for why in unreadable]
    if not rows:
        return []
    table = Table(("started", "run", "why"), tuple(rows), numbers_from=3)
    return [Section("left-out", "Left out", (table,), "Results whose figures say nothing about the path.")]
