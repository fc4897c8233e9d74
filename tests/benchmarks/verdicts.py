"""No false alarm: runs of each shipped scenario beside two busy loops pass or prove nothing, and never fail.

    python -m tests.benchmarks.verdicts [--runs 20] [--quiet 0] [--keep DIR] [SCENARIO …]

Beside busy loops a run must end with 0 or 3, and say that others used the machine where that is why it proves
nothing. With ``--quiet`` this many runs follow without them: a machine without other load must not be called
disturbed. No run may call requests slow. Exit code 1 if a run ended otherwise; its folder is kept in DIR.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.verdict import MACHINE_DISTURBED, judge
from bench.result import Result, read_result

ROOT = Path(__file__).parents[2]
LOOPS = 2
ALLOWED = (0, 3)
SLOW = ("slow-share", "slow-tail")
SHORT = ("--measure", "1", "--blocks", "3")
"""3,000 requests at the shipped rate of 500/s: enough for a p99."""
PATIENCE_S = 900.0
"""Far beyond any run; one that takes longer hangs."""


@dataclass(frozen=True)
class Ran:
    """What came of one run."""

    code: int
    said: str
    result: Result | None

    @property
    def is_called_disturbed(self) -> bool:
        return self.result is not None and any(
            warning.code in MACHINE_DISTURBED for warning in self.result.warnings
        )

    @property
    def said_slow(self) -> list[str]:
        """What was said of slow requests, which no shipped scenario has."""
        warnings = self.result.warnings if self.result is not None else ()
        return [warning.message for warning in warnings if warning.code in SLOW]

    @property
    def others(self) -> str:
        """The share of all processors that others used, lowest and highest of the trials."""
        shares = [
            trial.machine.others_share
            for trial in (self.result.trials if self.result is not None else ())
            if trial.machine is not None and trial.machine.others_share is not None
        ]
        return f"{min(shares):.0%} to {max(shares):.0%}" if shares else "unknown"

    @property
    def why(self) -> str:
        return f"{judge(self.result).state}: {judge(self.result).sentence}" if self.result else self.said


def burn() -> None:
    """A busy neighbour."""
    while True:
        sum(range(10_000))


def run(scenario: Path, out: Path) -> Ran:
    """Run *scenario* once, in short."""
    command = [sys.executable, "-m", "bench", "run", str(scenario), "--out", str(out), *SHORT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    folders = sorted(out.glob("*/result.json"))
    result = read_result(folders[-1].parent) if folders else None
    return Ran(done.returncode, (done.stdout + done.stderr)[-2000:], result)


def run_all(title: str, scenario: Path, runs: int, keep: Path) -> list[Ran]:
    """Run *scenario* this many times, and print a line for each."""
    found = []
    for number in range(1, runs + 1):
        with tempfile.TemporaryDirectory() as name:
            ran = run(scenario, Path(name))
            if ran.code not in ALLOWED or ran.said_slow:
                Path(name).rename(keep / f"{scenario.name}-{title}-{number}".replace(" ", "-"))
                Path(name).mkdir()
        disturbed = "disturbed" if ran.is_called_disturbed else "quiet"
        print(
            f"{scenario.name:<24} {title:<20} {number:>3}  exit {ran.code}  others {ran.others:<12}"
            f" {disturbed:<10} {ran.why}",
            flush=True,
        )
        for text in ran.said_slow:
            print(f"    FALSE ALARM: {text}", flush=True)
        found.append(ran)
    return found


def main() -> int:
    """Every shipped scenario, or those that are named."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("scenarios", nargs="*", type=Path)
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--quiet", type=int, default=0)
    options.add_argument("--loops", type=int, default=LOOPS, help="0: another run of this has them")
    options.add_argument("--keep", type=Path, default=None)
    asked = options.parse_args()
    keep = asked.keep or Path(tempfile.mkdtemp(prefix="verdicts-"))
    keep.mkdir(parents=True, exist_ok=True)
    scenarios = asked.scenarios or sorted(path.parent for path in ROOT.glob("scenarios/*/scenario.yaml"))
    busy: list[Ran] = []
    quiet: list[Ran] = []
    neighbours = [multiprocessing.Process(target=burn, daemon=True) for _ in range(asked.loops)]
    for neighbour in neighbours:
        neighbour.start()
    try:
        for scenario in scenarios:
            busy += run_all("beside busy loops", scenario, asked.runs, keep)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
    for scenario in scenarios:
        quiet += run_all("alone", scenario, asked.quiet, keep)
    for title, found in (("beside busy loops", busy), ("alone", quiet)):
        counted = sorted(Counter(each.code for each in found).items())
        codes = ", ".join(f"{count} × exit {code}" for code, count in counted) or "no runs"
        print(f"{title}: {codes}; called disturbed: {sum(each.is_called_disturbed for each in found)}")
    wrong = [each for each in (*busy, *quiet) if each.code not in ALLOWED or each.said_slow]
    print(f"{len(wrong)} false alarms{f', kept in {keep}' if wrong else ''}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
