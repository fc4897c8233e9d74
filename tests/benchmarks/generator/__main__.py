"""What a request costs, with each load generator: one target, the same connections, interleaved rounds.

Ours checks status, node, body and id of every answer; the others check nothing, or only the status. CPU is
user and system time of the client's processes: over the measured stage for ours and for Locust's FastHttpUser
(their start-up is not counted), over the whole life of the others. Ratios are taken within a round.

    python -m tests.benchmarks.generator --rounds 3 --seconds 4 --freeze --pace
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.load import StageStarted
from bench.load.run import run_load
from bench.scenario.traffic import Constant
from bench.stack.binaries import find_envoy, find_nginx
from tests.benchmarks.generator.clients import ONE_KIND, Measured, clients, plan, total_of
from tests.benchmarks.generator.figures import markdown
from tests.benchmarks.generator.sites import Site, bare_nginx, two_envoys


def compare(
    site: Site, connections: int, seconds: float, rounds: int, measured: list[dict[str, Measured]]
) -> None:
    """Interleaved rounds, every second one in reverse order; each whole round is put into *measured*."""
    which = clients()
    if site.wants:
        # It has no way to name another host than the one it connects to in HTTP/1.1.
        which.pop("h2load", None)
    else:
        which.pop(ONE_KIND, None)
    for number in range(rounds):
        order = list(which) if number % 2 == 0 else list(which)[::-1]
        here: dict[str, Measured] = {}
        for name in order:
            one = here[name] = which[name](site, connections, seconds)
            say(f"round {number + 1}: {name}: {one.cpu_us:.1f} µs, {one.rate:,.0f}/s")
        measured.append({name: here[name] for name in which})


def tabulate(measured: list[dict[str, Measured]]) -> dict[str, Any]:
    """Medians over the rounds, and ratios to wrk within each round."""
    table = {}
    which = measured[0] if measured else {}
    for name in which:
        each = [one[name] for one in measured]
        row: dict[str, Any] = {
            "cpu_us_per_request": statistics.median(m.cpu_us for m in each),
            "requests_per_second": statistics.median(m.rate for m in each),
            "rounds": [asdict(m) for m in each],
        }
        for base in ("wrk", "Locust FastHttpUser"):
            if base in which:
                ratios = [one[name].cpu_us / one[base].cpu_us for one in measured]
                rates = [one[name].rate / one[base].rate for one in measured]
                row[f"cpu_to_{base}"] = statistics.median(ratios)
                row[f"rate_to_{base}"] = statistics.median(rates)
        table[name] = row
    return table


def freeze(site: Site) -> dict[str, Any]:
    """500/s for 12 s; the target is stopped for 2 s. Truth: p90 0.80 s, p99 1.88 s."""
    pid = site.pid or 0

    def watch(event: object) -> None:
        if pid and isinstance(event, StageStarted) and event.stage == "main":
            threading.Timer(5.0, os.kill, (pid, signal.SIGSTOP)).start()
            threading.Timer(7.0, os.kill, (pid, signal.SIGCONT)).start()

    stages = ("warm-up", 0.5, Constant(arrival_rate=500)), ("main", 12.0, Constant(arrival_rate=500))
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_load(plan(site, 16, *stages), Path(folder), on_event=watch)
    response = total_of(outcome, 1, "response_time")
    p90, p99 = (float(response.percentile(percent) or 0) / 1e6 for percent in (90, 99))
    counts = [subset.counts for subset in outcome.stages[1].subsets]
    return {
        "p90_s": p90,
        "p99_s": p99,
        "due": sum(each.due for each in counts),
        "answered": sum(each.answered for each in counts),
        "unsent": sum(each.unsent for each in counts),
        "within_5_percent": abs(p90 / 0.80 - 1) <= 0.05 and abs(p99 / 1.88 - 1) <= 0.05,
    }


def pace(site: Site, seconds: float) -> dict[str, Any]:
    """1,000/s: how exact the rate is, and how late requests leave."""
    stages = ("warm-up", 1.0, Constant(arrival_rate=1000)), ("main", seconds, Constant(arrival_rate=1000))
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_load(plan(site, 16, *stages), Path(folder))
    lag = total_of(outcome, 1, "lag")
    sent = sum(subset.counts.sent for subset in outcome.stages[1].subsets)
    return {
        "seconds": seconds,
        "sent": sent,
        "rate": sent / seconds,
        "lag_us": {f"p{p}": lag.percentile(p) for p in (50, 90, 99, 99.9, 100)},
        "cpu_us_per_request": outcome.generator.cpu_seconds / outcome.generator.requests * 1e6,
        "service_us_p50": total_of(outcome, 1, "service_time").percentile(50),
    }


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(text + "\n")


def main() -> None:
    """Measure, write ``generator.json`` and ``generator.md``, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--freeze", action="store_true", help="also stop the target for 2 s of 12 s")
    parser.add_argument("--path", action="store_true", help="also through the default scenario's two Envoys")
    parser.add_argument("--pace", type=float, metavar="SECONDS", help="also send 1,000/s for so long")
    parser.add_argument("--out", type=Path, default=Path("reports/generator"))
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    result: dict[str, Any] = {
        "connections": options.connections,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "cores": len(cores),
        "tables": [],
    }

    def compare_on(site: Site) -> None:
        measured: list[dict[str, Measured]] = []
        try:
            compare(site, options.connections, options.seconds, options.rounds, measured)
        finally:
            if measured:
                result["tables"].append({"target": site.label, "clients": tabulate(measured)})

    try:
        # Before anything is measured: what is missing must not be found after minutes.
        nginx = find_nginx().path
        if options.path:
            find_envoy()
        options.out.mkdir(parents=True, exist_ok=True)
    except (BenchError, OSError) as error:
        raise SystemExit(str(error)) from None
    try:
        if options.path:
            with two_envoys() as site:
                compare_on(site)
        with bare_nginx(nginx, {cores[-1]}) as site:
            if len(cores) > 1:
                os.sched_setaffinity(0, {cores[0]})
            if options.rounds:
                compare_on(site)
            if options.pace:
                result["pace"] = pace(site, options.pace)
            if options.freeze:
                result["freeze"] = freeze(site)
    finally:
        # Whatever ended it: what was measured is reported.
        write(options.out, result)


def write(out: Path, result: dict[str, Any]) -> None:
    """Put the figures into the folder and onto standard output."""
    (out / "generator.json").write_text(json.dumps(result, indent=1))
    table = markdown(result)
    (out / "generator.md").write_text(table)
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
