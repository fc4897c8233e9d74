"""Result folder in, report out: HTML, Markdown, charts, samples. Reads files only.

The face of the package. What computes and draws is imported by the functions: it takes seconds that no
request has to wait for, memory that no load has to share, and CPU that a ``check`` has no use for. The
console has two rooms of its own here: ``terminal``, a result on one screen, and ``findings``, a finding in
words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.exports import Exports
from bench.report.folder import prepare_folder, slug

if TYPE_CHECKING:
    from bench.analysis.comparable import Difference
    from bench.analysis.history import History
    from bench.report.history.build import Written
    from bench.result import CostModel, PartRow, PlanResult, Result, SecondRow, SubsetOutcome, TrialResult

__all__ = [
    "Exports",
    "change_lines",
    "plan_lines",
    "prepare_folder",
    "slug",
    "write_comparison",
    "write_history",
    "write_plan",
    "write_report",
    "write_samples",
    "write_seconds",
]


def write_report(folder: Path) -> Path:
    """See ``bench.report.build.write_report``."""
    from bench.report.build import write_report as build  # noqa: PLC0415

    return build(folder)


def write_comparison(
    folders: Sequence[Path], out: Path | None = None, despite: Collection[Difference] = ()
) -> Path:
    """See ``bench.report.comparison.build.write_comparison``."""
    from bench.report.comparison.build import write_comparison as build  # noqa: PLC0415

    return build(folders, out, despite)


def write_history(folder: Path, out: Path | None = None) -> Written:
    """See ``bench.report.history.build.write_history``."""
    from bench.report.history.build import write_history as build  # noqa: PLC0415

    return build(folder, out)


def change_lines(history: History) -> list[str]:
    """See ``bench.report.history.build.change_lines``."""
    from bench.report.history.build import change_lines as lines  # noqa: PLC0415

    return lines(history)


def write_samples(
    folder: Path,
    trial: TrialResult,
    subsets: Sequence[SubsetOutcome],
    seconds: Iterable[SecondRow] = (),
    parts: Iterable[PartRow] = (),
) -> None:
    """See ``bench.report.samples.write_samples``."""
    from bench.report.samples import write_samples as write  # noqa: PLC0415

    write(folder, trial, subsets, seconds, parts)


def write_seconds(folder: Path, seconds: Iterable[SecondRow]) -> None:
    """See ``bench.report.samples.write_seconds``."""
    from bench.report.samples import write_seconds as write  # noqa: PLC0415

    write(folder, seconds)


def plan_lines(answer: PlanResult, *, short: bool = False) -> list[str]:
    """See ``bench.report.planning.plan_lines``."""
    from bench.report.planning import plan_lines as lines  # noqa: PLC0415

    return lines(answer, short=short)


def write_plan(folder: Path, result: Result, model: CostModel, answer: PlanResult) -> Path:
    """See ``bench.report.planning.write_plan``."""
    from bench.report.planning import write_plan as write  # noqa: PLC0415

    return write(folder, result, model, answer)
