"""How well searches repeat where a quota binds, and whether one quota's bound predicts another's.

    python -m tests.benchmarks.repeatability [--searches 10] [--cpus 0.5] [--other 0.25] [--free 6]

Quick searches on the walkthrough in containers, whose gateway is held to a share of a CPU and makes a full
handshake for each request. Promised: a coefficient of variation of at most 3 %; the bound at the other quota
as `egress-bench plan` foretells it, from a cost model measured at the first, within 10 %. Bare signatures
tell what a second of CPU was worth: beside each search, and before them on the idle machine, in windows as
long as a search, where whatever they vary by no search can vary less. Exit code 1 where a promise is missed;
3 where the spread was, and so was that of the idle machine.

Then searches without any quota, where all parts share the processors with whoever else is there. Their spread
is printed beside that of the machine: what its processors could have carried at the lower bound, by the CPU
that a request cost there and by what others took. What remains once the bounds are divided by that is ours.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.repeatability.pace import PaceClock
from tests.benchmarks.repeatability.searches import Found, capacity, foretold, held_gateway
from tests.benchmarks.repeatability.spread import machine_could, spread_of

MOST_CV, MOST_ERROR = 0.03, 0.10
_WINDOW_S = 36.0
"""As long as a quick search."""
_OTHER = 3
"""Searches at the other quota, with a cost model between each two: all meet the same machine."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=10)
    parser.add_argument("--cpus", type=float, default=0.5)
    parser.add_argument("--other", type=float, default=0.25)
    parser.add_argument("--free", type=int, default=6, help="searches without a quota")
    parser.add_argument("--idle", type=int, default=10, help="windows of bare signatures alone")
    asked = parser.parse_args()
    idle = [idle_window(number) for number in range(1, asked.idle + 1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with held_gateway(folder, asked.cpus) as gateway:
            found = [gateway.search(number) for number in range(1, asked.searches + 1)]
        spread_kept = report_spread(found, idle)
        other, planned = [], []
        for number in range(1, _OTHER + 1):
            with held_gateway(folder, asked.other) as gateway:
                other.append(gateway.search(number))
            if number < _OTHER:
                planned.append(foretold(folder, asked.cpus, asked.other))
        plan_kept = report_plan(planned, other, asked.cpus, asked.other)
        report_free(folder, asked.free)
    if spread_kept and plan_kept:
        return 0
    return 3 if plan_kept and len(idle) > 1 and spread_of(idle) > MOST_CV else 1


def idle_window(number: int) -> float:
    """CPU time of a bare signature, microseconds, while nothing of this runs."""
    clock = PaceClock()
    end = time.monotonic() + _WINDOW_S
    while time.monotonic() < end:
        clock.sample()
    print(f"idle, window {number:2}: a bare signature {clock.cpu_us:.0f} µs", flush=True)
    return clock.cpu_us


def report_spread(found: Sequence[Found], idle: Sequence[float]) -> bool:
    """How far apart they are, and what the machine has to do with it; whether that is as promised."""
    pairs = [(each.lower, each.pace_us) for each in found if each.lower]
    if len(pairs) < max(2, len(found)):
        print(f"{len(found) - len(pairs)} of {len(found)} searches found no bound")
        return False
    bounds, paces = [bound for bound, _ in pairs], [pace for _, pace in pairs]
    spread = spread_of(bounds)
    print(f"\ncoefficient of variation of {len(bounds)} searches: {spread:.1%} (promised: {MOST_CV:.0%})")
    if len(idle) > 1:
        print(
            f"of bare signatures on the idle machine, in {len(idle)} windows as long: {spread_of(idle):.1%}"
        )
    # What a second of CPU is worth is the machine's.
    left = spread_of([bound * pace for bound, pace in pairs])
    print(
        f"of bare signatures beside the searches: {spread_of(paces):.1%};"
        f" of the bounds times these: {left:.1%}"
    )
    carried = [(each.lower, each.by_cpu) for each in found if each.lower and each.by_cpu]
    if len(carried) > 1:
        print(
            f"of what the quota carries by the gateway's CPU per request:"
            f" {spread_of([carries for _, carries in carried]):.1%}; of the bounds divided by that:"
            f" {spread_of([bound / carries for bound, carries in carried]):.1%}"
        )
    return spread <= MOST_CV


def report_plan(planned: Sequence[float], found: Sequence[Found], cpus: float, other: float) -> bool:
    """Whether the bound at the *other* quota is what plan foretells; medians of what took turns."""
    bounds = [each.lower for each in found if each.lower]
    if not bounds:
        print(f"no search found a bound at {other:g} CPU")
        return False
    foretells, measured = statistics.median(planned), statistics.median(bounds)
    error = foretells / measured - 1
    print(
        f"bound at {other:g} CPU as plan foretells it from {cpus:g}: {foretells:,.0f} requests/s,"
        f" {error:+.1%} of the measured one, {measured:,.0f} (promised: {MOST_ERROR:.0%})"
    )
    return abs(error) <= MOST_ERROR


def report_free(folder: Path, count: int) -> None:
    """The spread of searches that nothing but the machine held back, and what explains it."""
    pairs = []
    for number in range(1, count + 1):
        found = capacity(folder, None, "--no-model")
        limit = found["constraints"][0]["code"] if found["constraints"] else "nothing"
        print(f"no quota, search {number:2}: {found['lower'] or 0:,.0f} requests/s, {limit}", flush=True)
        if found["lower"] and (could := machine_could(found)):
            pairs.append((found["lower"], could))
    if len(pairs) < 3:
        print("too few searches without a quota found a bound")
        return
    bounds, could = [bound for bound, _ in pairs], [each for _, each in pairs]
    print(
        f"\ncoefficient of variation of {len(pairs)} searches without a quota: {spread_of(bounds):.1%};"
        f" of what the machine could carry: {spread_of(could):.1%};"
        f" of the bounds divided by that: {spread_of([bound / each for bound, each in pairs]):.1%}"
    )


if __name__ == "__main__":
    sys.exit(main())
