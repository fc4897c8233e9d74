"""Variants of a scenario against its baseline."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.comparison import ENOUGH_BLOCKS
from bench.analysis.variants import BASELINE, JudgedMetric
from bench.report.document import Chart, Figure, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.text import UNKNOWN, with_unit
from bench.result import Result, VariantsResult

_ENDINGS = {
    "blocks": "The number of blocks was set in advance.",
    "resolved": "Blocks went on until a change of the wanted size would be seen in every metric.",
    "budget": "The time was spent before a change of the wanted size would be seen in every metric.",
}

_INTERLEAVED = {
    "trials": ", one after the other",
    "turns": ", on stacks started for the block, in turns of a hundredth of a second",
}


def figures_of(judged: Sequence[JudgedMetric]) -> tuple[Figure, ...]:
    """The clearest change, and what is open."""
    of_load = [each for each in judged if each.blocks.scope == "load"]
    kinds = [each.judgement.kind for each in of_load]
    differing = [each for each in of_load if each.judgement.kind == "differs"]
    largest = max(differing, key=lambda each: abs(each.judgement.shift or 0.0), default=None)
    figures = [
        Figure("metrics that differ", f"{kinds.count('differs')} of {len(kinds)}", "of all candidates")
    ]
    if largest is not None:
        shift = largest.judgement.shift or 0.0
        name = f"{largest.blocks.candidate}: {largest.blocks.metric}"
        figures.append(Figure("largest change", f"{shift * 100:+.3g} %", name))
    figures.append(Figure("equal", str(kinds.count("equivalent")), "within the margin"))
    figures.append(Figure("not resolved", str(kinds.count("not resolved")), "not decided by this run"))
    return tuple(figures)


def variants(
    result: Result, found: VariantsResult, judged: Sequence[JudgedMetric], forest: str | None
) -> Section:
    """What was compared, every metric with its verdict, and the values of each block."""
    parts: list[Part] = [
        Table(
            columns=("variant", "settings", "versions"),
            rows=tuple(
                (
                    each.name,
                    ", ".join(each.settings) or "the scenario as it is",
                    ", ".join(f"{name} {version}" for name, version in each.versions.items()) or UNKNOWN,
                )
                for each in found.variants
            ),
            numbers_from=3,
        )
    ]
    if found.is_same:
        parts.append(Note("All variants are the same: an A/A comparison. Whatever differs is noise."))
    if forest is not None:
        caption = (
            f"The shaded band is ±{found.margin:.0%}, what counts as equal; short bars are what the baseline"
            " differs from itself by."
        )
        parts.append(Chart("forest", caption, forest))
    if judged:
        parts.append(_table(judged))
        parts += fold(_values(judged), "The values of each block")
    else:
        parts.append(Note("No block came to its end."))
    if found.ended_by is not None:
        parts.append(Note(_ENDINGS[found.ended_by]))
    parts.append(
        Note(
            f"A metric differs if at least {ENOUGH_BLOCKS} blocks say so with p ≤ 5 % (signs flipped, Holm"
            f" over all metrics) and by more than {BASELINE} differs from itself. Within the margin by two"
            " one-sided tests it is equal. Not resolved means neither."
        )
    )
    how = _INTERLEAVED[found.interleaved]
    lead = (
        f"{len(result.trials)} trials in shuffled blocks: every variant once and the baseline twice{how}. The"
        " block is the unit; a change is the Hodges-Lehmann shift of the log ratio, its interval a bootstrap"
        " over blocks."
    )
    return Section("variants", "Comparison", tuple(parts), lead)


def _table(judged: Sequence[JudgedMetric]) -> Table:
    rows = []
    for each in judged:
        judgement = each.judgement
        baseline, candidate = each.medians
        rows.append(
            (
                each.blocks.candidate,
                each.blocks.metric,
                each.wording,
                with_unit(baseline, each.blocks.unit),
                with_unit(candidate, each.blocks.unit),
                _share(judgement.shift),
                UNKNOWN if judgement.low is None else f"{_share(judgement.low)} to {_share(judgement.high)}",
                UNKNOWN if judgement.floor is None else f"±{_percent(judgement.floor)}",
                UNKNOWN if judgement.adjusted_p is None else f"{judgement.adjusted_p:.2g}",
            )
        )
    return Table(
        columns=("variant", "metric", "verdict", BASELINE, "variant's", "change", "95 %", "A/A", "p (Holm)"),
        rows=tuple(rows),
        numbers_from=3,
        caption="Medians over the blocks, and what the blocks show.",
    )


def _share(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{'−' if value < 0 else '+'}{_percent(abs(value))}"


def _percent(share: float) -> str:
    return f"{share * 100:,.0f} %" if share >= 1 else f"{share * 100:.2g} %"


def _values(judged: Sequence[JudgedMetric]) -> Table:
    blocks = max(len(each.blocks.baseline_values) for each in judged)
    rows = []
    for each in judged:
        sides = (
            (BASELINE, each.blocks.baseline_values),
            (f"{BASELINE} again", tuple(pair[1] for pair in each.blocks.again)),
            (each.blocks.candidate, each.blocks.candidate_values),
        )
        for name, values in sides:
            cells = [with_unit(value, each.blocks.unit) for value in values]
            rows.append((each.blocks.metric, name, *cells, *[UNKNOWN] * (blocks - len(cells))))
    return Table(
        columns=("metric", "variant", *(f"block {number}" for number in range(1, blocks + 1))),
        rows=tuple(rows),
        numbers_from=2,
    )
