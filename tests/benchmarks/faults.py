"""Every fault named, and clean runs without an alarm, some of them beside a busy neighbour.

    python -m tests.benchmarks.faults [--clean 100] [--busy 30] [--stack local]

Prints a line for each load as it ends; interrupted, it prints what it found until then. About half an hour
for 100 clean runs on two cores that have nothing else to do. Exit code 1 if a fault was not named, or a clean
run raised an alarm.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.result import FaultResult, FaultsResult, read_result
from bench.stack.interrupts import terminations_raise

LOOPS = 2
POLL_S = 0.5


def burn() -> None:
    """A busy neighbour."""
    while True:
        sum(range(10_000))


def prove(clean: int, options: Sequence[str]) -> FaultsResult:
    """Run ``egress-bench faults`` with this many clean runs; what it has found, also if interrupted."""
    found = FaultsResult()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        command = [sys.executable, "-m", "bench", "faults", "--clean", str(clean), "--quiet", "--out", name]
        process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                time.sleep(POLL_S)
                found = follow(Path(name), found)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
            found = follow(Path(name), found)
    return found


def follow(out: Path, known: FaultsResult) -> FaultsResult:
    """Print what has come since; what there is now."""
    for folder in out.iterdir():
        with contextlib.suppress(BenchError):
            found = read_result(folder).faults or known
            for number in range(known.clean_runs, found.clean_runs):
                print(f"  clean run {number + 1}: taken", flush=True)
            for text in found.limited[len(known.limited) :]:
                print(f"  not judged: {text}", flush=True)
            for alarm in found.false_alarms[len(known.false_alarms) :]:
                print(f"  FALSE ALARM: {alarm}", flush=True)
            for fault in found.faults[len(known.faults) :]:
                print(f"  {line(fault)}", flush=True)
            return found
    return known


def line(fault: FaultResult) -> str:
    """One fault and what became of it."""
    if fault.impossible is not None:
        return f"{fault.title:<40} not possible here: {fault.impossible}"
    sign = "named" if fault.detected else "not judged" if fault.limited is not None else "MISSED"
    return f"{fault.title:<40} {sign:<11} {fault.found or 'nothing'}"


def show(title: str, clean: int, found: FaultsResult) -> bool:
    """Print the sum of one part; whether it is as it must be."""
    made = [fault for fault in found.faults if fault.impossible is None]
    missed = [fault for fault in made if not fault.detected and fault.limited is None]
    named = sum(fault.detected for fault in made)
    print(
        f"{title}: {named} of {len(made)} faults named, {len(missed)} missed,"
        f" {len(made) - named - len(missed)} not judged (generator late);"
        f" {found.clean_runs} clean runs, {found.clean_requests:,} requests,"
        f" {len(found.false_alarms)} false alarms, {len(found.limited)} not judged",
        flush=True,
    )
    whole = found.clean_runs + len(found.limited) == clean
    if not whole:
        print(f"  it ended before its time: {clean} clean runs were wanted")
    return whole and bool(found.faults) and not missed and not found.false_alarms


def main() -> int:
    """All faults and most of the clean runs without a neighbour, the rest beside two busy loops."""
    parser = argparse.ArgumentParser(description="every fault named, no false alarm")
    parser.add_argument("--clean", type=int, default=100)
    parser.add_argument("--busy", type=int, default=30, help="of the clean runs, beside busy loops")
    parser.add_argument("--stack", choices=["local", "docker"], default="local")
    wanted = parser.parse_args()
    stack = ("--stack", wanted.stack)
    is_good = show("every fault", wanted.clean - wanted.busy, prove(wanted.clean - wanted.busy, stack))
    neighbours = [multiprocessing.Process(target=burn, daemon=True) for _ in range(LOOPS)]
    for neighbour in neighbours:
        neighbour.start()
    try:
        is_good &= show(
            "beside two busy loops", wanted.busy, prove(wanted.busy, (*stack, "--only", "node-500"))
        )
    finally:
        for neighbour in neighbours:
            neighbour.kill()
    print("every fault named, no false alarm" if is_good else "NOT REACHED")
    return 0 if is_good else 1


if __name__ == "__main__":
    # Ended from outside, it still ends what it started, and reports what there is.
    with terminations_raise():
        sys.exit(main())
