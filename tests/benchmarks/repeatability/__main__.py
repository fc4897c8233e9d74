"""How well searches repeat where a quota binds, and whether one quota's bound predicts another's.

    python -m tests.benchmarks.repeatability [--searches 10] [--cpus 0.5] [--other 0.25] [--free 6]

Quick searches on the walkthrough in containers, whose gateway is held to a share of a CPU. Promised: a
coefficient of variation of at most 3 %; the bound at the other quota as `egress-bench plan` foretells it,
from a cost model measured at the first, within 10 %. A bare loop over memory beside each search tells what
the machine was worth meanwhile: what the bounds still differ by at one pace is printed beside. Exit code 1
where a promise is missed; 3 where the spread was, and that loop explains it.

Then searches without any quota, where all parts share the processors with whoever else is there. Their spread
is printed beside that of the machine: what its processors could have carried at the lower bound, by the CPU
that a request cost there and by what others took. What remains once the bounds are divided by that is ours.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.repeatability.searches import Found, foretold, search
from tests.benchmarks.repeatability.spread import machine_could, spread_of, unexplained

MOST_CV, MOST_ERROR = 0.03, 0.10
_FORETOLD = 3
"""Searches at the other quota, with a cost model between each two: all meet the same machine."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=10)
    parser.add_argument("--cpus", type=float, default=0.5)
    parser.add_argument("--other", type=float, default=0.25)
    parser.add_argument("--free", type=int, default=6, help="searches without a quota")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = [search(folder, asked.cpus, number) for number in range(1, asked.searches + 1)]
        spread_kept = report_spread(found)
        other, planned = [search(folder, asked.other, 1)], []
        for number in range(2, _FORETOLD + 1):
            planned.append(foretold(folder, asked.cpus, asked.other))
            other.append(search(folder, asked.other, number))
        plan_kept = report_plan(planned, other, asked.cpus, asked.other)
        report_free([search(folder, None, number) for number in range(1, asked.free + 1)])
    disturbed = sum(each.is_disturbed for each in (*found, *other))
    print(f"{disturbed} of {len(found) + len(other)} searches on a machine that was too busy for them")
    if spread_kept and plan_kept:
        return 0
    left = unexplained(found)
    return 3 if plan_kept and left is not None and left <= MOST_CV else 1


def report_spread(found: Sequence[Found]) -> bool:
    """How far apart they are, and what the machine has to do with it; whether that is as promised."""
    bounds = [each.lower for each in found if each.lower]
    if len(bounds) < max(2, len(found)):
        print(f"{len(found) - len(bounds)} of {len(found)} searches found no bound")
        return False
    spread = spread_of(bounds)
    print(f"\ncoefficient of variation of {len(bounds)} searches: {spread:.1%} (promised: {MOST_CV:.0%})")
    paces = [each.pace_s for each in found]
    if (left := unexplained(found)) is not None:
        print(
            f"of a bare loop beside them: {spread_of(paces):.1%}; of the bounds at one pace of it: {left:.1%}"
        )
    pairs = [(each.lower, each.by_cpu) for each in found if each.lower and each.by_cpu]
    if len(pairs) > 1:
        print(
            f"of what the quota carries by the gateway's CPU per request:"
            f" {spread_of([carries for _, carries in pairs]):.1%}; of the bounds divided by that:"
            f" {spread_of([bound / carries for bound, carries in pairs]):.1%}"
        )
    return spread <= MOST_CV


def report_plan(planned: Sequence[float], found: Sequence[Found], cpus: float, other: float) -> bool:
    """Whether the bound at the *other* quota is what plan foretells; medians of what took turns."""
    bounds = [each.lower for each in found if each.lower]
    if not bounds:
        print(f"no search found a bound at {other:g} CPU")
        return False
    # Twice the quota carries more than twice as much: requests that come thick cost less each.
    foretells, measured = statistics.median(planned), statistics.median(bounds)
    error = foretells / measured - 1
    print(
        f"bound at {other:g} CPU as plan foretells it from {cpus:g}: {foretells:,.0f} requests/s,"
        f" {error:+.1%} of the measured one, {measured:,.0f} (promised: {MOST_ERROR:.0%})"
    )
    return abs(error) <= MOST_ERROR


def report_free(found: Sequence[Found]) -> None:
    """The spread of searches that nothing but the machine held back, and what explains it."""
    pairs = [(each.lower, could) for each in found if each.lower and (could := machine_could(each))]
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
