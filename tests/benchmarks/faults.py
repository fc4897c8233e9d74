"""Every fault named, and clean runs without an alarm, some of them beside a busy neighbour.

Run with ``make benchmark-faults`` (CLEAN=N, BUSY=N). About half an hour for 100 clean runs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile

LOOPS = 2


def burn() -> None:
    """A busy neighbour."""
    while True:
        sum(range(10_000))


def prove(clean: int, *options: str) -> dict:
    """What ``egress-bench faults`` says of so many clean runs, and of the faults."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "bench", "faults", "--clean", str(clean), "--json", "--out", out]
        done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=False)
    document = json.loads(done.stdout)
    if "result" not in document:
        sys.exit(f"the run did not end: {document}")
    return document["result"]["faults"]


def tell(title: str, found: dict) -> bool:
    """Print one part; whether it is as it must be."""
    made = [fault for fault in found["faults"] if fault["impossible"] is None]
    missed = [fault for fault in made if not fault["detected"] and fault["limited"] is None]
    print(f"{title:<32} {found['clean_runs']} clean runs, {found['clean_requests']:,} requests,", end=" ")
    print(f"{len(found['false_alarms'])} false alarms, {len(found['limited'])} not judged")
    for alarm in found["false_alarms"]:
        print(f"  false alarm: {alarm}")
    for fault in made:
        sign = "named" if fault["detected"] else "not judged" if fault["limited"] else "MISSED"
        print(f"  {fault['title']:<40} {sign:<11} {fault['found'] or 'nothing'}")
    return not missed and not found["false_alarms"]


def main() -> None:
    """All faults and most of the clean runs on a quiet machine, the rest beside two busy loops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", type=int, default=100)
    parser.add_argument("--busy", type=int, default=30)
    wanted = parser.parse_args()
    good = tell("quiet machine, every fault", prove(wanted.clean - wanted.busy))
    neighbours = [multiprocessing.Process(target=burn, daemon=True) for _ in range(LOOPS)]
    for neighbour in neighbours:
        neighbour.start()
    try:
        good &= tell("beside two busy loops", prove(wanted.busy, "--only", "node-500"))
    finally:
        for neighbour in neighbours:
            neighbour.kill()
    print("every fault named, no false alarm" if good else "NOT REACHED")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
