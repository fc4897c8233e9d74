"""A hundred hosts beside one: ``python -m tests.benchmarks.generator.many_hosts [ROUNDS] [SECONDS]``.

One nginx answers for all of them, on a core of its own, so that nothing but the generator can differ: each
host is a kind of request, with its own header, checks, counts and known answers. Rounds are interleaved,
and every second one is reversed; the ratio is the median of those within a round.
"""

from __future__ import annotations

import os
import statistics
import sys

from rich.console import Console
from rich.table import Table

from bench.load import LoadPlan
from bench.stack.binaries import find_nginx
from tests.benchmarks.generator.clients import Measured, closed, driven, plan
from tests.benchmarks.generator.sites import Site, bare_nginx

HOSTS = 100
CONNECTIONS = 16
ROUNDS = 5
SECONDS = 3.0
MOST = 1.05
"""CPU per request, to that of one host."""


def hosts_of(site: Site, count: int, seconds: float) -> LoadPlan:
    """Our plan with *count* hosts of equal weight."""
    base = plan(site, CONNECTIONS, *closed(seconds))
    kind = base.requests[0]
    return base.model_copy(
        update={
            "requests": tuple(
                kind.model_copy(update={"name": f"h{number:02}", "host": f"h{number:02}.hosts.example"})
                for number in range(count)
            )
        }
    )


def many_hosts(rounds: int = ROUNDS, seconds: float = SECONDS) -> int:
    """Measure, print the table; 1 where the promise is missed."""
    cores = sorted(os.sched_getaffinity(0))
    found: dict[int, list[Measured]] = {1: [], HOSTS: []}
    with bare_nginx(find_nginx().path, {cores[-1]}) as site:
        os.sched_setaffinity(0, {cores[0]})
        try:
            for number in range(rounds):
                for count in (1, HOSTS) if number % 2 == 0 else (HOSTS, 1):
                    found[count].append(driven(hosts_of(site, count, seconds)))
        finally:
            os.sched_setaffinity(0, set(cores))
    ratio = statistics.median(
        many.cpu_us / one.cpu_us for one, many in zip(found[1], found[HOSTS], strict=True)
    )
    table = Table(title=f"{HOSTS} hosts beside one, medians of interleaved rounds", title_justify="left")
    for column in ("hosts", "CPU µs", "rate"):
        table.add_column(column, justify="right")
    for count, measured in found.items():
        cpu, rate = (
            statistics.median(getattr(each, name) for each in measured) for name in ("cpu_us", "rate")
        )
        table.add_row(str(count), f"{cpu:.1f}", f"{rate:,.0f}/s")
    console = Console(width=100)
    console.print(table)
    console.print(f"CPU {ratio:.2f} ×, promised ≤ {MOST} ×: {'kept' if ratio <= MOST else 'missed'}")
    return int(ratio > MOST)


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(many_hosts(int(given[0]) if given else ROUNDS, float(given[1]) if len(given) > 1 else SECONDS))
