"""Run every scenario of the library for two seconds: ``python -m tests.benchmarks.library [NAME…]``.

Without names the comparisons with wrk, and of a hundred hosts with one, follow. Exit code 1 where a scenario
has a wrong answer, or a request that its ledger cannot account for, or where a promise of cost is missed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.result import Result, read_result
from bench.scenario.library import library
from tests.benchmarks.generator.against_wrk import against_wrk
from tests.benchmarks.generator.many_hosts import many_hosts

_RIGHT = (0, 3)
"""Passed, or on a machine with too much to do, nothing proven of figures."""
_TIMEOUT_S = 600


def unexplained(result: Result) -> int:
    """Requests that no book of any trial accounts for."""
    return sum(
        abs(book.unexplained or 0)
        for trial in result.trials
        if trial.ledger is not None
        for book in trial.ledger.books
    )


def main(names: list[str]) -> int:
    """Run those of *names*, or all."""
    began = time.monotonic()
    table = Table(title="Library, two seconds each", title_justify="left")
    for column in ("scenario", "exit code", "requests", "misrouted", "failed", "unexplained"):
        table.add_column(column, justify="left" if column == "scenario" else "right")
    wrong = 0
    for entry in library():
        if names and entry.name not in names:
            continue
        with tempfile.TemporaryDirectory() as out:
            command = [
                sys.executable,
                "-m",
                "bench",
                "run",
                entry.name,
                "--measure",
                "2",
                "--quiet",
                "--no-handshake",
            ]
            done = subprocess.run(
                [*command, "--out", out], timeout=_TIMEOUT_S, check=False, capture_output=True
            )
            folders = list(Path(out).iterdir())
            result = read_result(folders[0]) if folders else None
        if result is None or not result.totals:
            table.add_row(entry.name, str(done.returncode), "–", "–", "–", "–")
            wrong += 1
            continue
        every = result.totals[-1]
        left = unexplained(result)
        row = (done.returncode, every.due, every.misrouted, every.failed, left)
        table.add_row(entry.name, *map(str, row))
        wrong += done.returncode not in _RIGHT or bool(every.misrouted or left)
    Console(width=100).print(table)
    missed = {against_wrk(), many_hosts()} if not names else set()
    sys.stdout.write(f"took {time.monotonic() - began:.0f} s\n")
    return int(wrong > 0 or 1 in missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
