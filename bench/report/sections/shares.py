"""Which node gave how many of the answers, and whether that is what the weights say."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.document import Mark, Part, Table
from bench.report.folding import fold
from bench.report.text import UNKNOWN, share, some
from bench.result import NodeShare, Result, SubsetResult
from bench.units import format_count

_SOURCES = {"scenario": "scenario.yaml", "istio": "weights of the Istio YAML"}


def answers_by_node(result: Result) -> list[Part]:
    """A table of the subsets that several nodes answer; nothing where there are none."""
    rows: list[tuple[str, ...]] = []
    marks: list[Mark] = []
    judged = {each.subset: each for each in result.shares}
    for subset in result.totals[:-1]:
        found = judged.get(subset.name)
        if found is not None:
            for part in found.shares:
                rows.append(_judged(subset.name, part, found.answers, _SOURCES[found.source]))
                marks.append("good" if part.fits else "bad")
        elif len(subset.answered_by) > 1:
            for row in _unjudged(subset):
                rows.append(row)
                marks.append("plain")
    if not rows:
        return []
    error = max((each.error_probability for each in result.shares), default=None)
    test = (
        ""
        if error is None
        else " Exact binomial test of each destination; right weights fail it with a probability of at most"
        f" {error:.0e} in each subset."
    )
    table = Table(
        columns=("subset", "nodes", "expected by", "answers", "share", "expected", "fits"),
        rows=tuple(rows),
        marks=tuple(marks),
        numbers_from=3,
        mark_column=6,
        caption=f"Right answers by node, steady trials merged.{test}",
    )
    wrong = marks.count("bad")
    return list(fold(table, f"Answers by node: {len(rows)} rows, {wrong} of them not as expected"))


def _judged(subset: str, part: NodeShare, answers: int, source: str) -> tuple[str, ...]:
    return (
        subset,
        some(part.nodes),
        source,
        format_count(part.observed),
        share(part.observed / answers if answers else None),
        share(part.expected),
        "✓" if part.fits else "✗",
    )


def _unjudged(subset: SubsetResult) -> Iterator[tuple[str, ...]]:
    """One destination with several nodes: its load balancer decides, which is not random."""
    answers = sum(subset.answered_by.values())
    for node, count in subset.answered_by.items():
        yield subset.name, node, "load balancer", format_count(count), share(count / answers), UNKNOWN, ""
