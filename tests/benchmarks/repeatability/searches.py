"""Quick searches on the walkthrough: with its gateway held to a share of a CPU, and by the command line."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from bench.experiment.capacity.design import churned
from bench.experiment.capacity.pressure import read_pressure
from bench.experiment.capacity.searching import empty_result, search
from bench.experiment.capacity.settings import HIGHEST, QUICK_S, limits_of, quick_goal
from bench.experiment.capacity.trials import Trials
from bench.load.run import LoadGenerator
from bench.measure import Meter
from bench.preparation import make_material, prepare
from bench.result import CapacityResult
from bench.scenario.load import LoadedScenario, load_scenario
from bench.stack.backend import docker_backend
from tests.benchmarks.limits.overload import bare_run
from tests.benchmarks.repeatability.pace import PaceClock

SHIPPED = Path(__file__).parents[3] / "scenarios" / "egress-mtls"
KEY = "rsa-2048"
"""With a full handshake for each request: what the gateway does is its own, and its quota is at its end while
the machine has room. Requests on kept connections cost the sidecar as much as the gateway: at half a CPU for
the gateway two processors are full, waiting makes batches, and a request costs less the more there are."""


@dataclass(frozen=True)
class Found:
    """What one search found."""

    lower: float | None
    """Requests/s that can be relied on."""
    by_cpu: float | None
    """Requests/s that the quota carries by what a request cost the gateway at the lower bound."""
    pace_us: float
    """CPU time of a bare signature meanwhile."""


@dataclass
class HeldGateway:
    """A stack in containers whose gateway has *cpus*, and makes a full handshake for each request."""

    loaded: LoadedScenario
    cpus: float
    trials: Trials

    def search(self, number: int) -> Found:
        """One quick search; a line says what came of it."""
        limits, record = self.trials.limits, self.trials.run.record
        goal = quick_goal(self.loaded, lowest=None, highest=HIGHEST, loss=limits[0].share, most_s=QUICK_S)
        record.capacity = empty_result(goal, limits, "static")
        with PaceClock() as clock:
            search(goal, self.trials, time.sleep)
        capacity: CapacityResult = record.capacity
        limit = capacity.constraints[0].code if capacity.constraints else "nothing"
        upper = "?" if capacity.upper is None else f"{capacity.upper:,.0f}"
        print(
            f"{self.cpus:g} CPU, search {number:2}: {capacity.lower or 0:,.0f} to {upper} requests/s,"
            f" {capacity.state}, {limit}; by its CPU {capacity.gateway_alone or 0:,.0f};"
            f" a bare signature {clock.cpu_us:.0f} µs",
            flush=True,
        )
        return Found(capacity.lower, capacity.gateway_alone, clock.cpu_us)


@contextlib.contextmanager
def held_gateway(folder: Path, cpus: float) -> Iterator[HeldGateway]:
    """Start the stack and one generator for all of its searches."""
    loaded = load_scenario(scenario_of(folder, cpus))
    prepared = prepare(loaded)
    limits = limits_of(loaded, None)
    traffic = loaded.scenario.traffic
    backend = docker_backend(loaded.scenario, lambda _: None)
    name = f"held-{cpus:g}"
    with tempfile.TemporaryDirectory() as private, contextlib.ExitStack() as open_:
        material = make_material(loaded, Path(private) / "material")
        spec = prepared.stack_spec(name.replace(".", "-"), "static", material, churned("full", 1))
        stack = open_.enter_context(backend.make_stack(spec))
        generator = open_.enter_context(LoadGenerator(Path(private) / "generator"))
        meter = open_.enter_context(Meter(stack, traffic.exit, traffic.senders))
        run = bare_run(loaded, generator, name, Path(private))
        run.options = SimpleNamespace(backend=backend)
        trials = Trials(run, stack, "static", limits, limits[0].share, meter, read_pressure)
        yield HeldGateway(loaded, cpus, trials)


def foretold(folder: Path, cpus: float, other: float) -> float:
    """Requests/s of one pod with *other* CPUs, by a cost model that is measured with *cpus*."""
    before = set((folder / "out").glob("*"))
    capacity(folder, cpus, "--model")
    (result,) = set((folder / "out").glob("*")) - before
    mix = ["--rate", "1", "--headroom", "0", "--new-connections", "1", "--resumed", "0"]
    command = [sys.executable, "-m", "bench", "plan", str(result), *mix, "--json"]
    done = subprocess.run([*command, "--cpu-per-pod", str(other)], capture_output=True, text=True, check=True)
    per_pod = float(json.loads(done.stdout)["plan"]["per_pod"])
    print(f"{other:g} CPU as plan foretells it from {cpus:g}: {per_pod:,.0f} requests/s", flush=True)
    return per_pod


def capacity(folder: Path, cpus: float | None, model: str) -> dict[str, Any]:
    """What `egress-bench capacity` finds with the gateway held to *cpus*, or local and held to nothing."""
    stack = "local" if cpus is None else "docker"
    options = ["--stack", stack, "--quick", model, "--no-curve", "--json", "--quiet"]
    command = [sys.executable, "-m", "bench", "capacity", str(scenario_of(folder, cpus)), *options]
    done = subprocess.run(
        [*command, "--out", str(folder / "out")], capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, 1, 3}:
        raise SystemExit(f"a search ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)["result"]["capacity"]
    return found


def scenario_of(folder: Path, cpus: float | None) -> Path:
    """The walkthrough with a quota on its gateway."""
    scenario = folder / f"scenario-{cpus}"
    if not scenario.exists():
        shutil.copytree(SHIPPED, scenario)
        path = scenario / "scenario.yaml"
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document["tls"]["key"] = KEY
        if cpus is not None:
            document["resources"] = {"egress": {"cpus": cpus}}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return scenario
