"""What the ledger costs, by level: interleaved blocks on one standing stack, the same load in each.

CPU of sidecar, gateway, nodes and generator, summed, per request. The window of a block begins before the
opening reading of the counters and ends after the books are closed, so that what the proxies spend on being
read is in it. What the suite itself spends on reading and matching, after the load, is counted separately.

    off       nothing is read; a second such block in each round shows the noise (A/A)
    counters  what every run does
    full      also the access logs of both proxies, which Envoy's runtime switches, and each id matched

The nodes write their access log at every level, as any nginx does. A ratio is taken within a round; the range
of six rounds holds the true median with 96.9 % probability.

    python -m tests.benchmarks.ledger_cost [--rounds 6] [--seconds 5] [--rate 1000]

Exit code 1 if the counters add more than 1 % in the median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from bench.load.run import run_load
from bench.measure.bookkeeper import Bookkeeper
from bench.measure.request_matching import GATEWAY_LOG, SIDECAR_LOG, Matcher
from bench.measure.topology import topology_of
from bench.measure.trial_plan import TrialPlan, load_plan, stack_target
from bench.placement import ConfigFile
from bench.preparation import Prepared, Variation, make_material, prepare
from bench.result import LedgerResult
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.scenario.traffic import Constant
from bench.stack import ProxySpec, Stack, StackSpec
from bench.stack.local import LocalStack
from bench.telemetry.usage import read_usage

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "egress-mtls"
LEVELS = ("off", "counters", "full", "off again")
SWITCH = "egress_bench.ledger_full"
MOST = 1.01
ENOUGH = 6
"""Rounds that a verdict needs."""


def switchable(spec: StackSpec) -> StackSpec:
    """The same stack with access logs that Envoy's runtime switches on and off, off at first."""
    return replace(spec, proxies=tuple(_switchable(proxy) for proxy in spec.proxies))


def _switchable(proxy: ProxySpec) -> ProxySpec:
    def render(placement: Any) -> Sequence[ConfigFile]:
        return [ConfigFile(file.path, _with_switch(file)) for file in proxy.render(placement)]

    return replace(proxy, render=render)


def _with_switch(file: ConfigFile) -> str:
    tree = yaml.safe_load(file.text)
    if file.path == "bootstrap.yaml":
        tree["layered_runtime"] = {"layers": [{"name": "admin", "admin_layer": {}}]}
    condition = {"runtime_filter": {"runtime_key": SWITCH, "percent_sampled": {"numerator": 0}}}
    for log in _access_logs(tree):
        log["filter"] = condition
    return yaml.safe_dump(tree, sort_keys=False)


def _access_logs(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield from tree.get("access_log") or ()
        tree = list(tree.values())
    if isinstance(tree, list):
        for entry in tree:
            yield from _access_logs(entry)


def switch(stack: Stack, *, on: bool) -> None:
    """Let both proxies log, or not."""
    for part in stack.components():
        if part.admin_url is not None:
            socket = part.admin_url.removeprefix("unix://")
            with httpx.Client(transport=httpx.HTTPTransport(uds=socket)) as client:
                parameters = {SWITCH: "100" if on else "0"}
                client.post("http://envoy/runtime_modify", params=parameters).raise_for_status()


class Site:
    """The standing stack, and one block of load after the other on it."""

    def __init__(self, stack: Stack, prepared: Prepared, matcher: Matcher, folder: Path) -> None:
        self._stack = stack
        self._scenario = prepared.loaded.scenario
        self._topology = topology_of(prepared, "static")
        self._matcher = matcher
        self._folder = folder
        self._number = 0

    def block(self, level: str, *, rate: float, seconds: float) -> dict[str, Any]:
        """CPU per request of every part in µs, their sum, and the suite's own after the load."""
        self._number += 1
        plan = TrialPlan(f"{self._number}", "steady", "static", Constant(arrival_rate=rate), seconds)
        load = load_plan(self._scenario, plan, stack_target(self._stack, self._scenario), f"c{self._number}")
        bookkeeper = Bookkeeper(self._stack, self._topology, self._matcher if level == "full" else None)
        is_kept = level in ("counters", "full")
        switch(self._stack, on=level == "full")
        pids = {part.name: part.pid for part in self._stack.components()}
        first = read_usage(pids)
        opening = bookkeeper.read() if is_kept else None
        outcome = run_load(load, self._folder / f"load-{self._number}")
        suite_s, ledger = -time.process_time(), None
        if opening is not None:
            ledger = bookkeeper.close(opening, load, outcome)
        suite_s += time.process_time()
        last = read_usage(pids)
        due = sum(part.counts.due for stage in outcome.stages for part in stage.subsets)
        good = sum(part.counts.answered for stage in outcome.stages for part in stage.subsets)
        parts = {
            name: (after.cpu_seconds - first[name].cpu_seconds) * 1e6 / due
            for name, after in last.items()
            if after is not None and first[name] is not None
        }
        generator = outcome.generator
        parts["generator"] = generator.cpu_seconds * 1e6 / max(generator.requests, 1)
        return {
            "level": level,
            "requests": due,
            "not_answered": due - good,
            "parts": parts,
            "cpu_us": sum(parts.values()),
            "suite_us": suite_s * 1e6 / due,
            "trouble": _trouble(level, ledger),
        }


def _trouble(level: str, ledger: LedgerResult | None) -> str:
    """Why the block did not do what its level says; empty if it did."""
    if ledger is None:
        return "" if level.startswith("off") else "no account"
    if ledger.level != level or (level == "full" and ledger.matched is None):
        return f"the account is one of level {ledger.level}"
    wrong = [book for book in ledger.books if book.state != "balanced"]
    return f"{wrong[0].title} does not balance: {wrong[0].damages or wrong[0].examples}" if wrong else ""


def measure(
    rounds: int, seconds: float, rate: float, key: str, say: Callable[[str], None]
) -> list[list[dict[str, Any]]]:
    """Rounds of blocks, one of each level; each order comes forth and back, then it turns by one."""
    shipped = load_scenario(SCENARIO)
    prepared = prepare(override(shipped, rate=None, measure_s=None, blocks=None, workers=None, key=key))
    variation = Variation(access_log=GATEWAY_LOG, sidecar_access_log=SIDECAR_LOG)
    found = []
    with tempfile.TemporaryDirectory(prefix="egress-ledger-") as name:
        material = make_material(prepared.loaded, Path(name) / "material")
        matcher = Matcher.of_prepared(prepared, topology_of(prepared, "static"), material)
        spec = switchable(prepared.stack_spec("ledger-cost", "static", material, variation))
        with LocalStack(spec) as stack:
            site = Site(stack, prepared, matcher, Path(name))
            say("warming up")
            site.block("off", rate=rate, seconds=seconds)
            for number in range(rounds):
                turned = number // 2 % len(LEVELS)
                order = (*LEVELS[turned:], *LEVELS[:turned])[:: -1 if number % 2 else 1]
                say(f"round {number + 1} of {rounds}: {', '.join(order)}")
                found.append([site.block(level, rate=rate, seconds=seconds) for level in order])
    return found


def summary(rounds: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """For each level: CPU per request, and its ratio to ``off`` within each round."""
    by_level = {
        level: [next(block for block in blocks if block["level"] == level) for blocks in rounds]
        for level in LEVELS
    }
    off = [block["cpu_us"] for block in by_level["off"]]
    return {
        level: {
            "cpu_us": statistics.median(block["cpu_us"] for block in blocks),
            "ratios": [block["cpu_us"] / base for block, base in zip(blocks, off, strict=True)],
            "suite_us": statistics.median(block["suite_us"] for block in blocks),
            "parts": {
                part: statistics.median(block["parts"][part] for block in blocks)
                for part in blocks[0]["parts"]
            },
        }
        for level, blocks in by_level.items()
    }


def markdown(found: dict[str, Any], rounds: list[list[dict[str, Any]]], rate: float, seconds: float) -> str:
    """The figures for people."""
    parts = list(found["off"]["parts"])
    heads = ["ledger", "CPU per request", "to off, median", f"{len(rounds)} pairs", *parts, "after the load"]
    lines = [
        f"| {' | '.join(heads)} |",
        f"|---|---:|---:|---:|{'---:|' * len(parts)}---:|",
    ]
    for level, row in found.items():
        ratios = row["ratios"]
        reported = [f"{row['parts'][part]:.1f}" for part in parts]
        lines.append(
            f"| {level} | {row['cpu_us']:.1f} µs | {statistics.median(ratios):.4f} × | "
            f"{min(ratios):.4f} to {max(ratios):.4f} | {' | '.join(reported)} | {row['suite_us']:.1f} µs |"
        )
    requests = sum(block["requests"] for blocks in rounds for block in blocks)
    reported = f"{len(rounds)} rounds of {len(LEVELS)} blocks of {seconds:g} s at {rate:g} requests/s"
    lines += [
        "",
        f"{reported}, {requests:,} requests; medians. `off again` is noise; after load: the suite itself.",
    ]
    return "\n".join(lines) + "\n"


def doubts(rounds: list[list[dict[str, Any]]]) -> list[str]:
    """Why the figures do not count."""
    blocks = [block for each in rounds for block in each]
    found = [f"{block['level']}: {block['trouble']}" for block in blocks if block["trouble"]]
    missing = sum(block["not_answered"] for block in blocks)
    if missing:
        found.append(f"{missing:,} requests were not answered: the machine is too busy for this rate")
    if len(rounds) < ENOUGH:
        found.append(f"{len(rounds)} rounds are too few for a verdict, which needs {ENOUGH}")
    return found


def main() -> int:
    """Measure, write ``ledger_cost.json`` and ``ledger_cost.md``, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--key", default="rsa-4096")
    parser.add_argument("--out", type=Path, default=Path("reports/ledger-cost"))
    asked = parser.parse_args()
    rounds = measure(
        asked.rounds, asked.seconds, asked.rate, asked.key, lambda text: print(text, file=sys.stderr)
    )
    found = summary(rounds)
    text = markdown(found, rounds, asked.rate, asked.seconds)
    reported = doubts(rounds)
    added = statistics.median(found["counters"]["ratios"]) - 1
    if reported:
        verdict = "no verdict: " + "; ".join(reported)
    else:
        word = "within" if added <= MOST - 1 else "beyond"
        verdict = f"counters add {100 * added:+.2f} % in the median, {word} the limit of 1 %"
    text += f"\n{verdict}\n"
    asked.out.mkdir(parents=True, exist_ok=True)
    written = {"rate": asked.rate, "seconds": asked.seconds, "levels": found, "rounds": rounds}
    (asked.out / "ledger_cost.json").write_text(json.dumps({**written, "verdict": verdict}, indent=1))
    (asked.out / "ledger_cost.md").write_text(text)
    print(text, end="")
    return int(bool(reported) or added > MOST - 1)


if __name__ == "__main__":
    sys.exit(main())
