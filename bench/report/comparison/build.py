"""From several result folders to one ``comparison.html`` and ``comparison.md``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from bench.analysis.comparable import Difference, require_comparable
from bench.errors import InputError
from bench.report.build import all_samples
from bench.report.charts import Curve, percentile_plot
from bench.report.comparison import cost, traffic
from bench.report.comparison.conditions import comparability, likeness
from bench.report.comparison.tables import LETTERS, letters
from bench.report.document import Document
from bench.report.folder import slug
from bench.report.pages import write_pages
from bench.report.sections.context import reading
from bench.result import Result, read_result


def write_comparison(
    folders: Sequence[Path], out: Path | None = None, despite: Collection[Difference] = ()
) -> Path:
    """Write the comparison of *folders*; the others are divided by the first. Return the HTML's path.

    Args:
        folders: two result folders or more.
        out: folder for the two files; None: one beside the first result, named after the runs.
        despite: what is to be compared, and may differ.

    Raises:
        IncomparableError: the results differ in something else.
        InputError: a folder holds no readable result, is named twice, or the comparison cannot be written.
        MeasurementError: samples are damaged.
    """
    if not 2 <= len(folders) <= len(LETTERS):
        raise InputError(f"{len(folders)} results cannot be compared.", remedy=f"Name 2 to {len(LETTERS)}.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("a result is named twice.", remedy="Compare it with another one.")
    results = [read_result(folder) for folder in folders]
    require_comparable(results, letters(len(results)), despite)
    document = build_comparison(folders, results)
    if out is None:
        name = "-".join(["comparison", *(slug(result.run_id) for result in results)])
        out = folders[0].resolve().parent / name
    return write_pages(out, "comparison", document)


def build_comparison(folders: Sequence[Path], results: Sequence[Result]) -> Document:
    """Put the document together."""
    called = letters(len(results))
    curves = [
        Curve(f"{letter}, response time", all_samples(folder, result, "response_time"), number)
        for number, (letter, folder, result) in enumerate(zip(called, folders, results, strict=True))
    ]
    names = dict.fromkeys(result.scenario for result in results)
    return Document(
        title=f"{' and '.join(names)}: {' against '.join(reversed(called))}",
        description=f"{len(results)} results side by side. Every ratio is a result's figure by that of A.",
        byline=tuple(
            (
                letter,
                f"{result.started_at[:19].replace('T', ' ')}, {result.fingerprint.stack}, {result.run_id}",
            )
            for letter, result in zip(called, results, strict=True)
        ),
        verdict=likeness(results),
        figures=(),
        answers=(),
        sections=(
            comparability(results),
            traffic.correctness(results),
            traffic.latency(results, percentile_plot(curves)),
            cost.costs(results),
            cost.handshakes(results),
            cost.config_sources(results),
            cost.capacity(results),
            traffic.ledger(results),
            reading(),
        ),
        source="the result.json and samples/ of each of these runs",
    )
