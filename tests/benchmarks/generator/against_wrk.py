"""Ours against wrk where a promise stands: ``python -m tests.benchmarks.generator.against_wrk [ROUNDS]``.

All targets stand at once; each round drives every target with both clients, every second round in reverse
order. Medians over the rounds; ratios are taken within a round. Ours checks every answer, wrk none.

The rate that is promised is the generator's ceiling: the client has a core for itself, and so has the one
nginx process. Through the path it is what Envoys and nginx carry beside a client on the same cores.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.certs import write_material
from bench.stack.binaries import find_nginx
from tests.benchmarks.generator.clients import Measured, clients
from tests.benchmarks.generator.sites import Site, bare_nginx, two_envoys

CONNECTIONS = 16
ROUNDS = 5
SECONDS = 3.0
OURS, WRK = "egress-bench", "wrk"


@dataclass(frozen=True)
class Promise:
    """What is promised of one target."""

    target: str
    most_cpu: float | None
    """CPU per request, to wrk's."""
    least_rate: float | None
    """Requests, and with them bytes, per second, to wrk's."""


PROMISES = (
    Promise("plain HTTP, through the path", 1.2, None),
    Promise("plain HTTP, one nginx", 1.2, 0.95),
    Promise("HTTPS of the client's own, kept connections", 1.5, None),
    Promise("answers of 1 MB", None, 0.8),
)


def against_wrk(rounds: int = ROUNDS, seconds: float = SECONDS) -> int:
    """Measure, print the table; 1 where a promise is missed, 2 without wrk."""
    known = clients()
    if WRK not in known:
        sys.stderr.write("wrk is not installed: nothing to compare with\n")
        return 2
    nginx, cores = find_nginx().path, sorted(os.sched_getaffinity(0))
    measured: dict[str, list[dict[str, Measured]]] = {each.target: [] for each in PROMISES}
    with ExitStack() as opened:
        folder = opened.enter_context(_certificates())
        bare = {cores[-1]}
        sites = dict(
            zip(
                measured,
                (
                    opened.enter_context(two_envoys()),
                    opened.enter_context(bare_nginx(nginx, bare)),
                    opened.enter_context(bare_nginx(nginx, bare, certificates=folder)),
                    opened.enter_context(bare_nginx(nginx, bare, page_bytes=1 << 20)),
                ),
                strict=True,
            )
        )
        for number in range(rounds):
            order = [(target, client) for target in sites for client in (OURS, WRK)]
            here: dict[str, dict[str, Measured]] = {target: {} for target in sites}
            for target, client in order if number % 2 == 0 else reversed(order):
                here[target][client] = _drive(known[client], sites[target], seconds, cores)
                one = here[target][client]
                sys.stderr.write(
                    f"round {number + 1}: {target}: {client}: {one.cpu_us:.1f} µs, {one.rate:,.0f}/s\n"
                )
            for target, found in here.items():
                measured[target].append(found)
    return _show(measured)


@contextmanager
def _certificates() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield write_material(Path(name, "m"), names=["127.0.0.1"], key_type="ecdsa-p256", wrong=False).live


def _drive(client: Callable[..., Measured], site: Site, seconds: float, cores: list[int]) -> Measured:
    """One client; one server process has a core of its own, the path has all of them."""
    os.sched_setaffinity(0, set(cores) if site.pid is None else {cores[0]})
    try:
        found: Measured = client(site, CONNECTIONS, seconds)
    finally:
        os.sched_setaffinity(0, set(cores))
    if not found.requests:
        raise SystemExit(f"{found.client} got no answer from {site.url} within {seconds:g} s")
    return found


def _show(measured: dict[str, list[dict[str, Measured]]]) -> int:
    table = Table(title="Against wrk, medians of interleaved rounds", title_justify="left")
    figures = ("CPU µs ours", "wrk", "CPU to wrk's", "rate ours", "wrk", "rate to wrk's")
    for column in ("target", *figures, "promise"):
        table.add_column(column, justify="left" if column in ("target", "promise") else "right")
    missed = 0
    for promise in PROMISES:
        rounds = measured[promise.target]
        cpu = {name: statistics.median(each[name].cpu_us for each in rounds) for name in (OURS, WRK)}
        rate = {name: statistics.median(each[name].rate for each in rounds) for name in (OURS, WRK)}
        to_cpu = statistics.median(each[OURS].cpu_us / each[WRK].cpu_us for each in rounds)
        to_rate = statistics.median(each[OURS].rate / each[WRK].rate for each in rounds)
        limits = []
        if promise.most_cpu is not None:
            limits.append((f"CPU ≤ {promise.most_cpu} ×", to_cpu <= promise.most_cpu))
        if promise.least_rate is not None:
            limits.append((f"rate ≥ {promise.least_rate} ×", to_rate >= promise.least_rate))
        is_kept = all(kept for _, kept in limits)
        missed += not is_kept
        what = ", ".join(text for text, _ in limits)
        table.add_row(
            promise.target,
            f"{cpu[OURS]:.1f}",
            f"{cpu[WRK]:.1f}",
            f"{to_cpu:.2f} ×",
            f"{rate[OURS]:,.0f}/s",
            f"{rate[WRK]:,.0f}/s",
            f"{to_rate:.2f} ×",
            f"{what}: {'kept' if is_kept else 'missed'}",
        )
    Console(width=150).print(table)
    return int(missed > 0)


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(against_wrk(int(given[0]) if given else ROUNDS, float(given[1]) if len(given) > 1 else SECONDS))
