"""Account for 2,000,000 requests, each id matched in the logs of every hop, and state what the proof costs.

    python tests/benchmarks/proof.py [--requests 2000000] [--rate 3400] [--key rsa-4096]

Must reach: residual 0 in every book, at most 1.5 GB of memory, 60 s of matching for 2,000,000 requests.
Exit code 1 if one of them is missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.analysis.ledger import summarise_ledger
from bench.analysis.verdict import judge
from bench.report.terminal import cpu_per_request
from bench.result import Result, read_result

MEMORY_BYTES = 1.5e9
MATCHING_S_PER_REQUEST = 60 / 2_000_000
COST_S = 10.0


def run(out: Path, *, level: str, rate: float, measure_s: float, key: str) -> tuple[Result, int]:
    """One run; its result and the most memory that its main process took, in bytes."""
    command = [
        *(sys.executable, "-m", "bench", "run", "--ledger", level, "--no-handshake", "--blocks", "1"),
        *("--rate", f"{rate:g}", "--measure", f"{measure_s:g}", "--key", key, "--out", str(out)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    (folder,) = out.iterdir()
    return read_result(folder), usage.ru_maxrss * 1024


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--requests", type=int, default=2_000_000)
    options.add_argument("--rate", type=float, default=3400)
    options.add_argument("--key", default="rsa-4096")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="egress-proof-") as name:
        out = Path(name)
        costs = {}
        for number, level in enumerate(("counters", "full", "full", "counters")):
            short, _ = run(
                out / f"cost-{number}", level=level, rate=asked.rate, measure_s=COST_S / 2, key=asked.key
            )
            costs.setdefault(level, []).append(dict(cpu_per_request(short)))
        result, main_bytes = run(
            out / "proof",
            level="full",
            rate=asked.rate,
            # A static and an EDS trial share the requests.
            measure_s=asked.requests / 2 / asked.rate,
            key=asked.key,
        )
    summary = summarise_ledger(result)
    assert summary is not None, result.reason
    accounts = [trial.ledger for trial in result.trials]
    matching_s = sum(account.matching_s or 0.0 for account in accounts)
    peak = max(result.peak_memory_bytes or 0, main_bytes)
    total = result.totals[-1]
    print(f"verdict            {judge(result).state}: {judge(result).sentence}")
    print(f"requests           {summary.requests:,} due, {total.due:,} of them measured")
    print(f"ledger             {summary.level}, {summary.books} books, {summary.unexplained:,} unexplained")
    for name, count in summary.named.items():
        print(f"  named            {name.text}: {count:,}")
    for trouble in summary.troubles:
        print(f"  trouble          {trouble}")
    print(f"TLS connections    {summary.connections} with the right peers at both ends")
    bound = summary.misroute_upper_bound
    print(f"misroutes          at most {bound:.3g} of all at 95 %" if bound else "misroutes          seen")
    log_gb = sum(account.log_bytes or 0 for account in accounts) / 1e9
    print(f"matching           {matching_s:.1f} s for {log_gb:.2f} GB of logs")
    print(f"memory             {peak / 1e6:,.0f} MB at most; main process {main_bytes / 1e6:,.0f} MB")
    for part in costs["full"][0]:
        off, on = ([one.get(part) for one in costs[level]] for level in ("counters", "full"))
        if None not in (*off, *on):
            print(f"CPU of {part:<11} {sum(off) / 2:.1f} µs per request, with logs {sum(on) / 2:.1f} µs")
    missed = [
        name
        for name, is_reached in (
            ("every book balanced", not summary.troubles and summary.unexplained == 0),
            ("memory", peak <= MEMORY_BYTES),
            ("matching time", matching_s <= MATCHING_S_PER_REQUEST * summary.requests),
        )
        if not is_reached
    ]
    print(f"missed             {', '.join(missed) or 'nothing'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
