"""How far `egress-bench compare` can be trusted: false alarms, effects found, equality claimed.

    python -m tests.benchmarks.compare [--blocks 120] [--starts 4] [--size 20] [--tries 20] [--seed 1]

Every block is real: the walkthrough on real Envoys and nginx, by the product's own `compare`, with the
baseline twice and three variants: *same* (nothing changed, stacks of its own), *delay* (median latency +5
%) and *work* (CPU of the gateway +3 %). A pilot finds the doses; what they really did, over all blocks,
is in the table. The variants take turns within one load, on stacks that are started for each block. The
product's comparison is run ``--starts`` times. A comparison is then ``--size`` blocks of
one start, drawn without replacement, and judged by the product's engine as if there were no others: what a
user gets who measures as many blocks. Comparisons drawn from the same start share blocks and are not
independent. With as many starts as tries, and starts of no more blocks than a comparison (``--starts 20
--blocks 400 --size 20``), every try has its own. ``--read DIR`` judges the blocks of before again, with
another size or seed.

Exit code 1 if a figure is not reached, 2 if nothing could be measured.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from bench.analysis.comparison import Judgement
from bench.analysis.comparison.statistics import hodges_lehmann, interval
from bench.analysis.latency import merge
from bench.analysis.variants import blocks_of
from bench.cli.parts import make_console
from bench.experiment.compare import CompareOptions, compare, parse_variant
from bench.experiment.instruments import REAL
from bench.report.samples import read_blobs
from bench.result import VariantBlocks, read_result
from bench.scenario.load import LoadedScenario, load_scenario
from bench.scenario.overrides import override
from bench.stack.backend import Backend, local_backend
from tests.benchmarks.comparing.effects import rules_of, share_of, with_delay, with_work
from tests.benchmarks.comparing.tries import MARGIN, Start, draw, equal_in, false_alarms, found_in

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "egress-mtls"
SHIFT_P50, SHIFT_CPU = 0.05, 0.03
P50, CPU = "response time p50", "gateway CPU per request"
PILOT_RULES = 1_000
PILOT_BLOCKS = 6
WARM_UP_S = 0.3
MOST_S = 600.0
"""For one try."""
MOST_FALSE, LEAST_FOUND, LEAST_EQUAL = 0.05, 0.90, 0.80


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    blocks: int
    starts: int
    size: int
    tries: int
    comparisons: int
    seed: int
    out: Path


def measure(
    loaded: LoadedScenario, settings: Sequence[Sequence[str]], blocks: int, out: Path
) -> tuple[Start, Path]:
    """One run of the product's comparison, the first variant being the scenario as it is."""

    def backend(_: LoadedScenario, envoy: str | None, image: str | None) -> Backend:
        return local_backend()

    variants = [
        parse_variant(name, each, loaded, backend)
        for name, each in zip("ABCD", ([], *settings), strict=False)
    ]
    options = CompareOptions(out=out, command="make benchmark-compare", blocks=blocks)
    # No page, no charts: nobody reads them.
    instruments = replace(REAL, write_report=lambda folder: folder)
    with make_console(quiet=True) as console:
        finished = compare(variants, options, console, instruments=instruments)
    return Start.of(read_result(finished.folder)), finished.folder


def dosed(loaded: LoadedScenario, asked: Asked) -> tuple[Path, Path]:
    """Folders of Istio YAML with the delay and the work that the pilot says."""
    yaml = SCENARIO / "istio"
    heavy = with_work(yaml, asked.out / "pilot", PILOT_RULES)
    start, folder = measure(loaded, [[f"istio={heavy}"]], PILOT_BLOCKS, asked.out)
    base = merge(
        blob
        for trial in start.trials
        if trial.variant in ("A", "A again")
        for subset in ("v1", "v2")
        for blob in read_blobs(folder, trial, subset, "response_time")
    )
    share = share_of(base, SHIFT_P50)
    (cpu,) = [each for each in blocks_of(start.trials, ["B"]) if each.metric == CPU]
    shift = math.expm1(hodges_lehmann(logs_of(cpu)))
    rules = rules_of(PILOT_RULES, shift, SHIFT_CPU)
    print(
        f"pilot: {PILOT_RULES} rules cost {shift:+.1%} of CPU, so the work is {rules} rules that never match;"
        f" the delay is 1 ms for {share:.1%} of the requests",
        flush=True,
    )
    return with_delay(yaml, asked.out / "delay", share), with_work(yaml, asked.out / "work", rules)


def logs_of(blocks: VariantBlocks) -> list[float]:
    """Log ratio of each block."""
    pairs = zip(blocks.baseline_values, blocks.candidate_values, strict=True)
    return [math.log(candidate / baseline) for baseline, candidate in pairs]


def pooled(starts: Sequence[Start], candidate: str, metric: str) -> str:
    """The change over all blocks of all starts, and its interval."""
    logs = [
        value
        for start in starts
        for each in blocks_of(start.trials, [candidate])
        if each.metric == metric
        for value in logs_of(each)
    ]
    if len(logs) < 2:
        return "unknown"
    low, high = interval(logs)
    shift = math.expm1(hodges_lehmann(logs))
    return f"{shift:+.1%} ({math.expm1(low):+.1%} to {math.expm1(high):+.1%}, {len(logs)} blocks)"


Line = tuple[str, str, str, bool | None]
"""What must hold, what was found, how, whether it holds; None: nothing must."""


def lines(starts: Sequence[Start], asked: Asked, try_s: float) -> Iterator[Line]:
    """The table."""
    lot = Random(asked.seed)
    same = draw(starts, "B", asked.comparisons, asked.size, lot)
    alarms = false_alarms(same)
    yield (
        f"A/A false alarms ≤ {MOST_FALSE:.0%}",
        f"{alarms} of {len(same)} ({alarms / len(same):.1%})",
        f"any of {len(same[0])} metrics said to differ; really {P50} {pooled(starts, 'B', P50)}",
        alarms <= MOST_FALSE * len(same),
    )
    for candidate, metric, shift in (("C", P50, SHIFT_P50), ("D", CPU, SHIFT_CPU)):
        tries = draw(starts, candidate, asked.tries, asked.size, lot)
        found = found_in(tries, metric)
        yield (
            f"{shift:+.0%} {metric} found in ≥ {LEAST_FOUND:.0%}, {MOST_S / 60:.0f} min each",
            f"{found} of {len(tries)}, {try_s:.0f} s each",
            f"really {pooled(starts, candidate, metric)}",
            found >= LEAST_FOUND * len(tries) and try_s <= MOST_S,
        )
    for metric in (P50, CPU):
        yield equality(same, metric, must=True)
    for metric in same[0]:
        if metric not in (P50, CPU):
            yield equality(same, metric, must=False)


def equality(same: Sequence[dict[str, Judgement]], metric: str, *, must: bool) -> Line:
    """How often A/A was called equal in one metric."""
    equal = equal_in(same, metric)
    wanted = f"in ≥ {LEAST_EQUAL:.0%}" if must else "(for information)"
    spread = sorted(each[metric].resolvable or math.inf for each in same if metric in each)
    return (
        f"A/A equal within ±{MARGIN:.0%}: {metric} {wanted}",
        f"{equal} of {len(same)} ({equal / len(same):.0%})",
        f"a change of {spread[len(spread) // 2]:.1%} would be seen (median of the comparisons)",
        equal >= LEAST_EQUAL * len(same) if must else None,
    )


def measure_all(asked: Asked, *, rate: float, measure_s: float) -> list[Start]:
    """Pilot, then start after start."""
    began = time.monotonic()
    shipped = override(load_scenario(SCENARIO), rate=rate, measure_s=measure_s, key="ecdsa-p256")
    traffic = shipped.scenario.traffic.model_copy(update={"warm_up_s": WARM_UP_S})
    loaded = replace(shipped, scenario=shipped.scenario.model_copy(update={"traffic": traffic}))
    delay, work = dosed(loaded, asked)
    starts: list[Start] = []
    each_start = math.ceil(asked.blocks / asked.starts)
    for number in range(1, asked.starts + 1):
        starts.append(measure(loaded, [[], [f"istio={delay}"], [f"istio={work}"]], each_start, asked.out)[0])
        print(
            f"start {number}: {each_start} blocks of 5 trials, {time.monotonic() - began:.0f} s", flush=True
        )
    return starts


def show(starts: Sequence[Start], asked: Asked) -> int:
    """Judge and print."""
    began = time.monotonic()
    trials = [trial for start in starts for trial in start.trials]
    # Starting and verifying the stacks is in it: a user waits for that, too.
    try_s = sum(start.duration_s for start in starts) / len(trials) * 3 * asked.size
    print(
        f"\n{len(starts)} starts, {len(trials) // 5} blocks of 5 trials, {trials[0].duration_s:g} s at"
        f" {trials[0].arrival_rate:g} requests/s each; a comparison is {asked.size} blocks of one start,"
        f" drawn by lot (seed {asked.seed})"
    )
    kept = True
    for wanted, found, how, holds in lines(starts, asked, try_s):
        kept = kept and holds is not False
        print(f"{'·' if holds is None else '✓' if holds else '✗'} {wanted}: {found}; {how}")
    print(f"judged in {time.monotonic() - began:.0f} s; blocks in {asked.out}")
    return 0 if kept else 1


def main() -> int:
    """Read the options, and run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--blocks", type=int, default=120)
    options.add_argument("--starts", type=int, default=2)
    options.add_argument("--size", type=int, default=20, help="blocks of a comparison")
    options.add_argument("--tries", type=int, default=20)
    options.add_argument("--comparisons", type=int, default=200, help="A/A")
    options.add_argument("--rate", type=float, default=1_000, help="requests per second")
    options.add_argument("--measure", type=float, default=1.2, help="seconds of each trial")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, default=None, help="where the blocks go")
    options.add_argument("--read", type=Path, default=None, help="the --out of before: measure nothing")
    got = options.parse_args()
    out = got.read or got.out or Path(tempfile.mkdtemp(prefix="compare-"))
    asked = Asked(got.blocks, got.starts, got.size, got.tries, got.comparisons, got.seed, out)
    if got.read is None:
        if asked.size * asked.starts > asked.blocks:
            options.error(f"--size {asked.size} needs --blocks {asked.size * asked.starts} at least")
        starts = measure_all(asked, rate=got.rate, measure_s=got.measure)
    else:
        results = [read_result(path.parent) for path in sorted(got.read.glob("*/result.json"))]
        starts = [Start.of(each) for each in results if each.variants and len(each.variants.variants) == 4]
    if not any(len(start.whole_blocks("D")) >= asked.size for start in starts):
        print(f"no start in {out} has {asked.size} whole blocks")
        return 2
    return show(starts, asked)


if __name__ == "__main__":
    sys.exit(main())
