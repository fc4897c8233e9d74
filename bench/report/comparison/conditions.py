"""What makes the results comparable, or not: the first thing to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.conditions import Condition, conditions, spoilers
from bench.analysis.verdict import judge
from bench.report.comparison.tables import letters
from bench.report.document import Facts, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.text import UNKNOWN
from bench.result import Result

NOT_INTERLEAVED = (
    "The results are of different runs, one after the other and not interleaved: whatever changed on the"
    " machine in between is in every ratio, and nothing here says that a difference is significant. Repeat"
    " both, in turn, before you rely on one; only static against EDS within one run is measured in"
    " interleaved blocks."
)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the conditions were."""

    state: str
    sentence: str


def likeness(results: Sequence[Result]) -> Likeness:
    """The headline of a comparison: it judges its conditions, never its figures."""
    all_conditions = conditions(results)
    different = [condition for condition in all_conditions if not condition.is_equal]
    called = letters(len(results))
    spoiled = [
        f"{letter} {why}" for letter, why in zip(called, spoilers(results), strict=True) if why is not None
    ]
    doubts = f" {_sentence(spoiled)}: its figures cannot be compared as they are." if spoiled else ""
    if not different:
        return Likeness(
            "conditions differ" if spoiled else "same conditions",
            f"All {len(all_conditions)} conditions that the results report are equal.{doubts}",
        )
    names = ", ".join(condition.name for condition in different)
    return Likeness(
        "conditions differ",
        f"{len(different)} of {len(all_conditions)} conditions are not the same: {names}. A difference in"
        f" the figures can come from any of them.{doubts}",
    )


def _sentence(parts: list[str]) -> str:
    text = " and ".join(parts)
    return text[0].upper() + text[1:]


def comparability(results: Sequence[Result]) -> Section:
    """Every condition, with those that differ first and in sight."""
    found = conditions(results)
    different = [condition for condition in found if not condition.is_equal]
    equal = [condition for condition in found if condition.is_equal]
    parts: list[Part] = [Note(NOT_INTERLEAVED, "bad"), _runs(results)]
    if different:
        parts.append(_table(different, len(results), "What differs, or is not known of each."))
    else:
        parts.append(Note("No condition differs."))
    if equal:
        table = _table(equal, len(results), "What is equal.")
        parts += fold(table, f"{len(equal)} conditions are equal in all results")
    return Section(
        "conditions",
        "Conditions",
        tuple(parts),
        "Scenario, configuration, stack, machine and versions. Ratios mean something only where these agree,"
        " or differ in what was to be tried.",
    )


def _runs(results: Sequence[Result]) -> Part:
    return Facts(
        tuple(
            (letter, f"{result.scenario}, run {result.run_id}, {result.started_at[:19]}: {_verdict(result)}")
            for letter, result in zip(letters(len(results)), results, strict=True)
        ),
        caption="The results.",
    )


def _verdict(result: Result) -> str:
    verdict = judge(result)
    return f"{verdict.state}. {verdict.sentence}"


def _table(rows: Sequence[Condition], count: int, caption: str) -> Table:
    return Table(
        columns=("condition", "of", *letters(count)),
        rows=tuple((row.name, row.of, *(value or UNKNOWN for value in row.values)) for row in rows),
        numbers_from=2 + count,
        caption=caption,
    )
