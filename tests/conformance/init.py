"""Drafts of real cases, run: ``python -m tests.conformance.init CASES_DIR [NAME…]``.

Each folder of CASES_DIR with Istio YAML is drafted by `init` and run for two seconds; the table says what
came of it. Exit code 1 where a draft was made and its run did not pass.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.commands.init import init_scenario
from bench.errors import BenchError

_TIMEOUT_S = 300
_UNTRIED = ("not drafted", "containers")
_PASSED = {0: "passed", 3: "right, machine busy"}
"""Exit codes of a run in which nothing was wrong; with the second no figure was proven."""


@dataclass(frozen=True)
class Row:
    """What came of one case."""

    case: str
    outcome: str
    """One of ``_PASSED``, ``containers`` (none here), ``not drafted``, or the exit code of the run."""
    requests: tuple[str, ...] = ()
    said: str = ""


def try_case(case: Path, folder: Path, reports: Path) -> Row:
    """Draft *case* into *folder* and run it."""
    try:
        made = init_scenario(folder, [case])
    except BenchError as error:
        return Row(case.name, "not drafted", said=str(error).replace("\n", " "))
    urls = tuple(target.url for target in made.draft.targets)
    if made.draft.needs_containers and shutil.which("docker") is None:
        return Row(case.name, "containers", urls)
    command = [
        sys.executable,
        "-m",
        "bench",
        "run",
        str(folder),
        "--measure",
        "2",
        "--quiet",
        "--out",
        str(reports),
        "--stack",
        "docker" if made.draft.needs_containers else "local",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    said = " ".join((done.stderr or done.stdout).split())
    outcome = _PASSED.get(done.returncode, f"code {done.returncode}")
    return Row(case.name, outcome, urls, said)


def main(arguments: list[str]) -> int:
    """Try the folder named on the command line."""
    if not arguments or not Path(arguments[0]).is_dir():
        sys.stderr.write("usage: python -m tests.conformance.init CASES_DIR [NAME...]\n")
        return 2
    cases = sorted(path for path in Path(arguments[0]).iterdir() if path.is_dir())
    wanted = [case for case in cases if not arguments[1:] or case.name.startswith(tuple(arguments[1:]))]
    console = Console(width=150)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as kept:
        for case in wanted:
            rows.append(try_case(case, Path(kept, case.name), Path(kept, "reports")))
            row = rows[-1]
            shown = "" if row.outcome in _PASSED.values() else f": {row.said[-300:]}"
            console.print(f"{row.case}: {row.outcome}{shown}", highlight=False, markup=False)
    table = Table(title="Drafted and run for two seconds", title_justify="left")
    for name in ("case", "outcome", "requests"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(row.case, row.outcome, " ".join(row.requests))
    console.print(table)
    tried = [row for row in rows if row.outcome not in _UNTRIED]
    passed = sum(row.outcome in _PASSED.values() for row in tried)
    console.print(f"{len(rows)} cases, {len(tried)} drafted and run, {passed} passed")
    return int(passed < len(tried))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
