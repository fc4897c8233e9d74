"""How well searches repeat where a quota binds, and whether one quota's bound predicts another's.

    python -m tests.benchmarks.capacity_repeat [--searches 10] [--cpus 0.5] [--other 0.25] [--free 6]

Quick searches on the walkthrough in containers, whose gateway is held to a share of a CPU. Promised: a
coefficient of variation of at most 3 %; the bound at the other quota as `egress-bench plan` foretells it,
from a cost model measured at the first, within 10 %. Exit code 1 where that is missed; 3 where it was and the
machine was too busy.

Then searches without any quota, where all parts share the processors with whoever else is there. Their spread
is printed beside that of the machine: what its processors could have carried at the lower bound, by the CPU
that a request cost there and by what others took. What remains once the bounds are divided by that is ours.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

SHIPPED = Path(__file__).parents[2] / "scenarios" / "egress-mtls"
MOST_CV, MOST_ERROR = 0.03, 0.10


def foretold(folder: Path, cpus: float, other: float) -> float:
    """Requests/s of one pod with *other* CPUs, by a cost model that is measured with *cpus*."""
    before = set((folder / "out").glob("*"))
    search(folder, cpus, 0, model="--model")
    (result,) = set((folder / "out").glob("*")) - before
    command = [sys.executable, "-m", "bench", "plan", str(result), "--rate", "1", "--headroom", "0", "--json"]
    done = subprocess.run([*command, "--cpu-per-pod", str(other)], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["plan"]["per_pod"])


def search(folder: Path, cpus: float | None, number: int, *, model: str = "--no-model") -> dict[str, Any]:
    """One search with the gateway held to *cpus*, or local and held to nothing; its result's capacity."""
    scenario = folder / f"scenario-{cpus}"
    if not scenario.exists():
        shutil.copytree(SHIPPED, scenario)
        path = scenario / "scenario.yaml"
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document["tls"]["key"] = "ecdsa-p256"
        if cpus is not None:
            document["resources"] = {"egress": {"cpus": cpus}}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
    stack = "local" if cpus is None else "docker"
    options = ["--stack", stack, "--quick", model, "--no-curve", "--json", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "capacity", str(scenario), "--out", str(folder / "out"), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1, 3}:
        raise SystemExit(f"search {number} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)["result"]["capacity"]
    limit = found["constraints"][0]["code"] if found["constraints"] else "nothing"
    bounds = " to ".join("?" if found[name] is None else f"{found[name]:,.0f}" for name in ("lower", "upper"))
    alone = found["gateway_alone"]
    predicted = f"; by its CPU {alone:,.0f}" if alone else ""
    held = "no quota" if cpus is None else f"{cpus:g} CPU"
    print(f"{held}, search {number:2}: {bounds} requests/s, {limit}{predicted}", flush=True)
    return found


def machine_could(found: dict[str, Any]) -> float | None:
    """Requests/s at which the processors would have been full at the lower bound, others' use left out."""
    windows = [
        found["windows"][trial["window"]] for trial in found["trials"] if trial["rate"] == found["lower"]
    ]
    uses = [window["machine"] for window in windows if window["machine"] is not None]
    shares = [
        use["ours_share"] / (1 - (use["others_share"] or 0.0))
        for use in uses
        if use["ours_share"] and (use["others_share"] or 0.0) < 1
    ]
    return found["lower"] / statistics.median(shares) if shares else None


def spread_of(values: list[float]) -> float:
    """Coefficient of variation."""
    return statistics.stdev(values) / statistics.mean(values)


def report_free(found: list[dict[str, Any]]) -> None:
    """The spread of searches that nothing but the machine held back, and what explains it."""
    pairs = [(each["lower"], could) for each in found if each["lower"] and (could := machine_could(each))]
    if len(pairs) < 3:
        print("too few searches without a quota found a bound")
        return
    bounds, could = [bound for bound, _ in pairs], [each for _, each in pairs]
    print(
        f"\ncoefficient of variation of {len(pairs)} searches without a quota: {spread_of(bounds):.1%};"
        f" of what the machine could carry: {spread_of(could):.1%};"
        f" of the bounds divided by that: {spread_of([bound / each for bound, each in pairs]):.1%}"
    )


def report_pace(found: list[dict[str, Any]]) -> None:
    """How much of the spread under a quota is that of the CPU that a request cost: the machine's pace."""
    pairs = [(each["lower"], alone) for each in found if each["lower"] and (alone := each["gateway_alone"])]
    if len(pairs) > 1:
        print(
            f"of what the quota carries by the gateway's CPU per request:"
            f" {spread_of([alone for _, alone in pairs]):.1%}; of the bounds divided by that:"
            f" {spread_of([bound / alone for bound, alone in pairs]):.1%}"
        )


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
        other = [search(folder, asked.other, number) for number in range(1, 3)]
        planned = foretold(folder, asked.cpus, asked.other)
        free = [search(folder, None, number) for number in range(1, asked.free + 1)]
    disturbed = [
        each for each in (*found, *other) if any("machine" in c["code"] for c in each["constraints"][:1])
    ]
    bounds = [each["lower"] for each in found if each["lower"]]
    others = [each["lower"] for each in other if each["lower"]]
    kept = True
    if len(bounds) > 1:
        spread = spread_of(bounds)
        kept &= spread <= MOST_CV
        print(f"\ncoefficient of variation of {len(bounds)} searches: {spread:.1%} (promised: {MOST_CV:.0%})")
        report_pace(found)
    if bounds and others:
        # Twice the quota carries more than twice as much: requests that come thick cost less each.
        error = planned / statistics.median(others) - 1
        kept &= abs(error) <= MOST_ERROR
        print(
            f"bound at {asked.other:g} CPU as plan foretells it from {asked.cpus:g}: {planned:,.0f}"
            f" requests/s, {error:+.1%} of the measured one"
        )
    if free:
        report_free(free)
    print(f"{len(disturbed)} of {len(found) + len(other)} searches on a machine that was too busy for them")
    if kept and bounds and others:
        return 0
    return 3 if disturbed else 1


if __name__ == "__main__":
    sys.exit(main())
