"""Hold translate, explain and check against cases from the field, with real Envoys.

    python -m tests.conformance.field DIR [NAME ...]

DIR has a folder for each case, with ``input.yaml``, ``inventory.yaml`` and ``expected.md``; NAME begins the
names of those to try. For each case: does Envoy accept the translation; does `explain` predict what
``expected.md`` says; does it predict what real Envoys do with these requests and with others, over plain
HTTP, TLS and TCP; and does `check` speak where it should. Exit code 0: all as expected; 1: something differs;
2: no cases.
"""

# ruff: noqa: T201 - a table on standard output is what this is for

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.check import Finding, Level
from bench.commands.check import check_sources
from bench.errors import InputError
from bench.explain.explain import default_proxy
from bench.explain.request import parse_request
from bench.scenario.folder import Folder
from bench.scenario.read import read_folder
from tests.conformance.field.cases import Case, read_case
from tests.conformance.field.judge import judge_calls, judge_check
from tests.explain.reality import Tried, try_case
from tests.explain.samples import Sample


@dataclass(frozen=True)
class Row:
    """What came of one case."""

    name: str
    refused_by_envoy: tuple[str, ...]
    calls: int
    wrong_calls: tuple[str, ...]
    sent: int
    surprises: tuple[str, ...]
    wrong_check: tuple[str, ...]
    noise: tuple[str, ...]
    """Warnings of `check` on a case that is said to work; to be read by somebody."""

    @property
    def is_right(self) -> bool:
        """Whether nothing differs."""
        return not (self.refused_by_envoy or self.wrong_calls or self.surprises or self.wrong_check)


def main(arguments: list[str]) -> int:
    """Print the table and the differences, and give the exit code."""
    root = Path(arguments[0]) if arguments else None
    folders = sorted(path.parent for path in root.glob("*/expected.md")) if root is not None else []
    folders = [each for each in folders if not arguments[1:] or each.name.startswith(tuple(arguments[1:]))]
    if not folders:
        print(__doc__)
        return 2
    print(f"{'case':72} {'Envoy':7} {'calls':8} {'sent':5} {'surprises':10} check")
    rows: list[Row] = []
    for folder in folders:
        row = try_folder(folder)
        rows.append(row)
        _print(row)
    right = sum(row.is_right for row in rows)
    sent, surprises = sum(row.sent for row in rows), sum(len(row.surprises) for row in rows)
    print(
        f"\n{len(rows)} cases, {right} right; {sum(row.calls for row in rows)} calls of the cases, "
        f"{sum(len(row.wrong_calls) for row in rows)} predicted otherwise; {sent} requests sent, "
        f"{surprises} surprises; check wrong in {sum(bool(row.wrong_check) for row in rows)}, warnings on "
        f"working cases in {sum(bool(row.noise) for row in rows)}"
    )
    return 0 if right == len(rows) else 1


def try_folder(folder: Path) -> Row:
    """Try one case."""
    case = read_case(folder)
    report = check_sources([folder])
    refused = tuple(each.reason for each in report.findings if each.code == "EB0108")
    refused += tuple(note for note in report.notes if "Envoy" in note)
    calls = judge_calls(case)
    tried = _really(case, report.findings)
    return Row(
        case.name,
        refused,
        calls.calls,
        calls.differences,
        tried.requests,
        tuple(map(str, tried.surprises)),
        judge_check(case, report.findings),
        _noise(case, report.findings),
    )


def _noise(case: Case, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    if not case.allows_silence:
        return ()
    return tuple(
        f"{each.level.word} {each.code} {each.resource}: {each.reason}"
        for each in findings
        if each.level is Level.WARNING
    )


def _really(case: Case, findings: tuple[Finding, ...]) -> Tried:
    """Send the case's requests and others to real Envoys; none where a cluster refuses the resources."""
    read = read_folder(case.folder)
    if read.survey.problems or any(each.code == "IST0106" for each in findings):
        return Tried(0, (), ())
    inventory = read.require_inventory()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return try_case(read.resources, inventory, Path(scratch), _samples(case, read))
    except InputError:
        # What files alone cannot do is judged by what `explain` says of it.
        return Tried(0, (), ())


def _samples(case: Case, read: Folder) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for call in case.calls:
        request = parse_request(call.url, call.headers)
        found[call.proxy or default_proxy(read.registry())].append(
            Sample(
                request.port,
                request.authority,
                request.target,
                headers=dict(request.headers),
                tls=request.scheme == "https",
                tcp=not request.is_http,
                dialled=urlsplit(call.url).hostname or "",
            )
        )
    return found


def _print(row: Row) -> None:
    check = "wrong" if row.wrong_check else "warns" if row.noise else "right"
    print(
        f"{row.name:72} {'refuses' if row.refused_by_envoy else 'takes':7} "
        f"{row.calls - len(row.wrong_calls)} of {row.calls:<3} {row.sent:<5} {len(row.surprises):<10} "
        f"{check}",
        flush=True,
    )
    for text in (*row.refused_by_envoy, *row.wrong_calls, *row.surprises, *row.wrong_check):
        print(f"    {text}")
    for text in row.noise:
        print(f"    (warns although it works) {text}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
