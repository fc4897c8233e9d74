"""Searches of the command line on the walkthrough, with and without a quota on its gateway."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks.repeatability.pace import PaceClock

SHIPPED = Path(__file__).parents[3] / "scenarios" / "egress-mtls"


@dataclass(frozen=True)
class Found:
    """What one search found."""

    capacity: dict[str, Any]
    """As it is in the result."""
    pace_s: float
    """CPU seconds that a bare loop took meanwhile."""

    @property
    def lower(self) -> float | None:
        """Requests/s that can be relied on."""
        lower: float | None = self.capacity["lower"]
        return lower

    @property
    def by_cpu(self) -> float | None:
        """Requests/s that the gateway's quota carries by what a request cost it."""
        alone: float | None = self.capacity["gateway_alone"]
        return alone

    @property
    def is_disturbed(self) -> bool:
        """Whether it was the machine that limited."""
        return any("machine" in limit["code"] for limit in self.capacity["constraints"][:1])


def foretold(folder: Path, cpus: float, other: float) -> float:
    """Requests/s of one pod with *other* CPUs, by a cost model that is measured with *cpus*."""
    before = set((folder / "out").glob("*"))
    search(folder, cpus, 0, model="--model")
    (result,) = set((folder / "out").glob("*")) - before
    command = [sys.executable, "-m", "bench", "plan", str(result), "--rate", "1", "--headroom", "0", "--json"]
    done = subprocess.run([*command, "--cpu-per-pod", str(other)], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["plan"]["per_pod"])


def search(folder: Path, cpus: float | None, number: int, *, model: str = "--no-model") -> Found:
    """One search with the gateway held to *cpus*, or local and held to nothing."""
    stack = "local" if cpus is None else "docker"
    options = ["--stack", stack, "--quick", model, "--no-curve", "--json", "--quiet"]
    command = [sys.executable, "-m", "bench", "capacity", str(_scenario(folder, cpus)), *options]
    with PaceClock() as clock:
        done = subprocess.run(
            [*command, "--out", str(folder / "out")], capture_output=True, text=True, check=False
        )
    if done.returncode not in {0, 1, 3}:
        raise SystemExit(f"search {number} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found = Found(json.loads(done.stdout)["result"]["capacity"], clock.cpu_s)
    print(_line(found, cpus, number), flush=True)
    return found


def _line(found: Found, cpus: float | None, number: int) -> str:
    capacity = found.capacity
    limit = capacity["constraints"][0]["code"] if capacity["constraints"] else "nothing"
    bounds = " to ".join(
        "?" if capacity[name] is None else f"{capacity[name]:,.0f}" for name in ("lower", "upper")
    )
    predicted = f"; by its CPU {found.by_cpu:,.0f}" if found.by_cpu else ""
    held = "no quota" if cpus is None else f"{cpus:g} CPU"
    pace = f"; bare loop {found.pace_s * 1e3:.1f} ms"
    return f"{held}, search {number:2}: {bounds} requests/s, {limit}{predicted}{pace}"


def _scenario(folder: Path, cpus: float | None) -> Path:
    scenario = folder / f"scenario-{cpus}"
    if not scenario.exists():
        shutil.copytree(SHIPPED, scenario)
        path = scenario / "scenario.yaml"
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document["tls"]["key"] = "ecdsa-p256"
        if cpus is not None:
            document["resources"] = {"egress": {"cpus": cpus}}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return scenario
