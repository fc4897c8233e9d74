"""Every promise of speed with what this machine needs: ``python -m tests.benchmarks.promises``.

    python -m tests.benchmarks.promises [--only NAME …]

CPU seconds where our own work is promised, seconds on the clock where other programs take part. No test
bounds seconds, since a busy machine must not fail one; here a machine with nothing else to do is asked for.
Exit code 1 where a promise is missed.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.certs.material import write_material
from bench.commands.check import check
from bench.commands.translation import write_files
from bench.explain.explain import explain
from bench.explain.request import parse_request
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from bench.load.run import LoadGenerator
from bench.measure import Bookkeeper, Ground, Meter, TrialPlan, run_trial, topology_of
from bench.preparation import make_material, prepare
from bench.report.build import write_report
from bench.routing.request import Request
from bench.routing.router import Router
from bench.scenario import Constant
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.scenario.read import read_folder
from bench.stack.local import LocalStack
from bench.translate import ConfigSource, Placement, RenderOptions, render, translate
from tests.benchmarks.translate_scale import documents
from tests.commands.test_check import _host
from tests.istio.test_load import ENTRY
from tests.ledger.world import World
from tests.report.synthetic import make_run
from tests.routing.test_router import HOST, walkthrough
from tests.stack.egress_path import NAMES, egress_spec

INVENTORY = (
    "proxies:\n  client: {role: sidecar, ip: 10.1.0.5}\n"
    "  egress: {role: gateway, ip: 10.1.0.9, labels: {istio: egress}}\n"
)


@dataclass(frozen=True)
class Promise:
    """Something that takes at most *bound_s*; *prepare* gives the part that is measured."""

    name: str
    bound_s: float
    prepare: Callable[[Path], Callable[[], object]]
    clock: Callable[[], float]


def cpu_s() -> float:
    """CPU of this process and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def thousand_hosts(root: Path) -> Path:
    (root / "a.yaml").write_text("---\n".join(_host(number) for number in range(1000)))
    (root / "inventory.yaml").write_text(INVENTORY)
    return root


def checked(root: Path) -> Callable[[], object]:
    inspected = read_folder(thousand_hosts(root))
    return lambda: check(inspected)


def explained(root: Path) -> Callable[[], object]:
    inspected = read_folder(thousand_hosts(root))
    request = parse_request("http://h500.test/")

    return lambda: explain(inspected.registry(), inspected.resources, request, "client")


def loaded(_: Path) -> Callable[[], object]:
    text = "---\n".join(ENTRY.format(name=f"e{n}") for n in range(4_000))
    return lambda: load_text(text, "f.yaml")


def decided(_: Path) -> Callable[[], object]:
    router = Router(*walkthrough())
    requests = [Request(HOST, 80, headers=(("want", want),)) for want in ("v1", "v2")] * 5_000
    return lambda: [router.decide(each) for each in requests]


def matched(_: Path) -> Callable[[], object]:
    world = World(100_000)
    return lambda: world.account(chunk=1 << 20)


def reported(root: Path) -> Callable[[], object]:
    folder = make_run(root)
    write_report(folder)
    return lambda: write_report(folder)


def reported_whole(root: Path) -> Callable[[], object]:
    """As many trials as the shipped scenario has, by the command itself with all that it imports."""
    folder = make_run(root, rate=500, seconds=5, order=("static", "eds", "eds", "static") * 3)
    return commanded("report", str(folder))(root / "compiled")


def certified(root: Path) -> Callable[[], object]:
    return lambda: write_material(root / "m", names=NAMES, key_type="rsa-4096")


def start_and_end(root: Path) -> Callable[[], object]:
    material = write_material(root / "m", names=NAMES, key_type="ecdsa-p256")

    def once() -> None:
        with LocalStack(egress_spec(material.live)):
            pass

    return once


def trial_of_a_second(root: Path) -> Callable[[], object]:
    """0.9 s of load and 0.1 s of warm-up on a stack and a generator that run already."""
    running = contextlib.ExitStack()
    shipped = override(load_scenario(Path(SHIPPED)), key="ecdsa-p256")
    traffic = shipped.scenario.traffic.model_copy(update={"warm_up_s": 0.1})
    loaded = replace(shipped, scenario=shipped.scenario.model_copy(update={"traffic": traffic}))
    prepared = prepare(loaded)
    material = make_material(loaded, root / "material")
    stack = running.enter_context(LocalStack(prepared.stack_spec("promise", "static", material)))
    generator = running.enter_context(LoadGenerator(root / "generator"))
    meter = running.enter_context(Meter(stack, traffic.exit))
    books = Bookkeeper(stack, topology_of(prepared, "static"))
    plan = TrialPlan("promise", "steady", "static", Constant(arrival_rate=100), 0.9)

    def once(number: int) -> None:
        ground = Ground({"static": stack}, "static", meter, books)
        folder = root / str(number)
        run_trial(
            ground, loaded.scenario, plan, run_id=f"p.{number}", folder=folder, run_load=generator.run_load
        )

    once(1)

    # The stack ends with the program: its end is another promise.
    atexit.register(running.close)
    return lambda: once(2)


def helped(_: Path) -> Callable[[], object]:
    command = [str(Path(sys.executable).with_name("egress-bench")), "--help"]
    environment = {**os.environ, "COLUMNS": "100"}
    return lambda: subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def commanded(*arguments: str) -> Callable[[Path], Callable[[], object]]:
    """Run a command as people do: from compiled files, which the first run writes."""

    def prepare(root: Path) -> Callable[[], object]:
        command = [str(Path(sys.executable).with_name("egress-bench")), *arguments]
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, "PYTHONPYCACHEPREFIX": str(root)}
        once = partial(
            subprocess.run, command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        once(check=False)
        return lambda: once(check=False)

    return prepare


def translated(source: ConfigSource) -> Callable[[Path], Callable[[], object]]:
    """3,000 clusters from resources that are loaded already, as istiod has them."""

    def prepare(root: Path) -> Callable[[], object]:
        inventory = Inventory.model_validate(
            {"proxies": {"client": {"role": "sidecar", "ip": "10.1.0.5", "interception": "none"}}}
        )
        registry = build_registry(load_text("".join(documents(1_000)), "f.yaml"), inventory)
        placement = Placement(config_root=str(root), log_root=str(root))

        def once() -> None:
            config = translate(registry, "client", config_source=source)
            write_files(render(config, placement, RenderOptions(node_id="client")), root)

        return once

    return prepare


SHIPPED = "scenarios/egress-mtls"
REQUEST = ("--url", "http://nginx.external.svc.cluster.local/", "-H", "want: v1")

PROMISES = (
    Promise("the help text", 0.3, helped, cpu_s),
    Promise("4,000 resources are loaded", 4, loaded, cpu_s),
    Promise("10,000 requests are judged", 2, decided, cpu_s),
    Promise("300,000 lines of logs are matched", 6, matched, cpu_s),
    Promise("1,000 hosts are checked, by Envoy, too", 5, checked, cpu_s),
    Promise("a request among 1,000 hosts is explained", 1, explained, cpu_s),
    Promise("check of the shipped scenario, with two Envoys", 0.9, commanded("check", SHIPPED), cpu_s),
    Promise("explain of the shipped scenario", 0.6, commanded("explain", SHIPPED, *REQUEST), cpu_s),
    Promise("3,000 clusters translated and written", 1.6, translated("static"), cpu_s),
    Promise("3,000 clusters translated and written for EDS", 1.6, translated("eds"), cpu_s),
    Promise("a report is built again", 2, reported, cpu_s),
    Promise("the report of a full run, by its command", 3, reported_whole, cpu_s),
    Promise("certificates of a scenario with RSA 4096", 15, certified, time.monotonic),
    Promise("the local stack is up and down again", 4, start_and_end, time.monotonic),
    Promise("a trial of one second, with all that surrounds it", 1.5, trial_of_a_second, time.monotonic),
)


def main() -> int:
    """Print a table; 1 where a promise is missed."""
    parser = argparse.ArgumentParser(description="every promise of speed with what this machine needs")
    parser.add_argument("--only", nargs="*", default=[], help="words of the promises to try")
    chosen = parser.parse_args().only
    missed = 0
    print(f"{'promise':<54} {'at most':>8} {'took':>8}")
    for each in PROMISES:
        if chosen and not any(word in each.name for word in chosen):
            continue
        with tempfile.TemporaryDirectory() as folder:
            work = each.prepare(Path(folder))
            began = each.clock()
            work()
            took_s = each.clock() - began
        missed += took_s > each.bound_s
        print(
            f"{each.name:<54} {each.bound_s:>6.1f} s {took_s:>6.2f} s{'  MISSED' * (took_s > each.bound_s)}"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
