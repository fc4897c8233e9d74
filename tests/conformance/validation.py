"""Compare what is accepted and refused here with the recorded verdicts of Istio.

    python -m tests.conformance.validation GOLDEN_DIR

GOLDEN_DIR has files ``<kind>.yaml``, each a list of entries with ``name``, ``document``, ``accepted`` and
``stage``, and may have a folder ``more`` with files of the same form. Prints one line for each kind and each
difference. Exit code 0: every verdict agrees; 1: some differ; 2: there is nothing to compare.

The stage (who refuses first: ``schema`` or ``webhook``) is compared and shown, but only the verdict decides.
"""

# ruff: noqa: T201 - a table on standard output is what this is for

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.istio.load import load_text
from bench.istio.problem import InvalidResourcesError, Problem

DELIBERATE: dict[str, str] = {}
"""Differences that follow from running from files: name of the entry to the reason. There are none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one document."""

    accepted: bool
    stage: str
    problems: tuple[Problem, ...] = ()
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One entry: what Istio said, what is said here."""

    kind: str
    name: str
    recorded: Verdict
    here: Verdict

    @property
    def agrees(self) -> bool:
        """Whether both accept, or both refuse."""
        return self.recorded.accepted == self.here.accepted


def judge(text: str, file: str) -> Verdict:
    """Load one document: accepted, or refused in which stage."""
    try:
        resources = load_text(text, file)
    except InvalidResourcesError as error:
        is_schema = any(problem.stage != "webhook" for problem in error.problems)
        return Verdict(accepted=False, stage="schema" if is_schema else "webhook", problems=error.problems)
    return Verdict(accepted=True, stage="none", warnings=len(resources.warnings))


def compare(folder: Path) -> Iterator[Comparison]:
    """Every entry of every file in *folder* and its folder ``more``."""
    for file in (*sorted(folder.glob("*.yaml")), *sorted(folder.glob("more/*.yaml"))):
        for entry in _entries(file):
            recorded = Verdict(entry["accepted"], entry["stage"], warnings=len(entry.get("warnings") or ()))
            here = judge(entry["document"], f"{file.name}#{entry['name']}")
            yield Comparison(file.stem, entry["name"], recorded, here)


def _entries(file: Path) -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
    return [entry for entry in entries or () if isinstance(entry, dict) and "document" in entry]


def print_table(comparisons: list[Comparison]) -> int:
    """Print the table; the number of verdicts that differ without a reason."""
    header = ("kind", "documents", "agreed", "stage agreed", "warned alike", "differ", "deliberate")
    widths = [max(16, len(title)) for title in header]

    def line(*cells: object) -> None:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())

    line(*header)
    rows = [(kind, [c for c in comparisons if c.kind == kind]) for kind in _kinds(comparisons)]
    for kind, part in [*rows, ("all", comparisons)]:
        differing = [c for c in part if not c.agrees]
        accepted = [c for c in part if c.agrees and c.here.accepted]
        line(
            kind,
            len(part),
            len(part) - len(differing),
            sum(c.recorded.stage == c.here.stage for c in part),
            f"{sum(bool(c.recorded.warnings) == bool(c.here.warnings) for c in accepted)}/{len(accepted)}",
            sum(c.name not in DELIBERATE for c in differing),
            sum(c.name in DELIBERATE for c in differing),
        )
    for comparison in comparisons:
        _print_difference(comparison)
    return sum(not c.agrees and c.name not in DELIBERATE for c in comparisons)


def _kinds(comparisons: list[Comparison]) -> list[str]:
    return list(dict.fromkeys(c.kind for c in comparisons))


def _print_difference(comparison: Comparison) -> None:
    recorded, here = comparison.recorded, comparison.here
    if not comparison.agrees:
        print(
            f"DIFFERS {comparison.kind}, {comparison.name}: Istio {_words(recorded)}, here {_words(here)}"
            + "".join(f"\n    {problem}" for problem in here.problems)
            + (f"\n    deliberate: {DELIBERATE[comparison.name]}" if comparison.name in DELIBERATE else "")
        )
    elif recorded.stage != here.stage:
        print(f"stage {comparison.kind}, {comparison.name}: Istio {recorded.stage}, here {here.stage}")
    elif here.accepted and bool(recorded.warnings) != bool(here.warnings):
        print(f"warns {comparison.kind}, {comparison.name}: Istio {recorded.warnings}, here {here.warnings}")


def _words(verdict: Verdict) -> str:
    return "accepts" if verdict.accepted else f"refuses ({verdict.stage})"


def main(arguments: list[str]) -> int:
    """Run the comparison; the exit code."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m tests.conformance.validation GOLDEN_DIR", file=sys.stderr)
        return 2
    comparisons = list(compare(Path(arguments[0])))
    if not comparisons:
        print(f"{arguments[0]}: no entries to compare", file=sys.stderr)
        return 2
    return 1 if print_table(comparisons) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
