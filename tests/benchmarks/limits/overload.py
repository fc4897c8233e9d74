"""A stack that is constrained on purpose, under a load that is too high, and what was read meanwhile."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.analysis.capacity import Setup, TimeLimit
from bench.experiment.capacity.pressure import read_pressure
from bench.experiment.capacity.searching import setup_of
from bench.experiment.capacity.trials import Trials
from bench.load.run import LoadGenerator
from bench.measure import Meter
from bench.preparation import Variation, make_material, prepare
from bench.result import CapacityWindow
from bench.scenario.load import LoadedScenario
from bench.stack import Stack
from bench.stack.local import LocalStack

LIMIT = TimeLimit("response_time_p99_ms", 0.01, 50_000)
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Overload:
    """What a load was too high for."""

    rate: float
    seconds: float = 1.0
    variation: Variation = field(default_factory=Variation)
    body_bytes: int = 0
    around: Callable[[Stack], contextlib.AbstractContextManager[None]] | None = None
    """Holds a part of the running stack back."""


def read_overload(
    loaded: LoadedScenario, load: Overload, generator: LoadGenerator
) -> tuple[CapacityWindow, Setup]:
    """Start the stack, put the load on it, and read it as a search does."""
    prepared = prepare(loaded)
    with (
        tempfile.TemporaryDirectory(prefix="egress-bench-limits-") as folder,
        contextlib.ExitStack() as open_,
    ):
        material = make_material(loaded, Path(folder) / "material")
        spec = prepared.stack_spec("limits", "static", material, load.variation)
        stack = open_.enter_context(LocalStack(spec))
        if load.around is not None:
            open_.enter_context(load.around(stack))
        meter = open_.enter_context(
            Meter(stack, loaded.scenario.traffic.exit, loaded.scenario.traffic.senders)
        )
        run = bare_run(loaded, generator, "limits", Path(folder))
        trials = Trials(run, stack, "static", [LIMIT], 0.01, meter, read_pressure)
        window = trials.measure(load.rate, load.seconds, load.body_bytes)
        return window, setup_of(
            prepared, read_pressure(stack), holds_limits=False, connections=trials.connections
        )


def bare_run(loaded: LoadedScenario, generator: LoadGenerator, run_id: str, folder: Path) -> Any:
    """What trials need of a run: nothing is written down."""
    return SimpleNamespace(
        scenario=loaded.scenario,
        prepared=prepare(loaded),
        instruments=SimpleNamespace(run_load=generator.run_load),
        record=SimpleNamespace(run_id=run_id, folder=folder, save=lambda: None),
        observer=SimpleNamespace(stage=lambda *_: None),
        check_alive=lambda stack, *_: stack.check_alive(),
    )


def can_hold_back() -> bool:
    """Whether control groups can be made here: as root, version 1 or 2 with the controllers at hand."""
    root = CGROUPS / "cpu"
    return os.geteuid() == 0 and os.access(root if root.is_dir() else CGROUPS, os.W_OK)


@contextlib.contextmanager
def held_back(stack: Stack, part: str, controller: str, settings: dict[str, str]) -> Iterator[None]:
    """Put a part into a control group of its own."""
    pid = stack.component(part).pid
    root = CGROUPS / controller if (CGROUPS / controller).is_dir() else CGROUPS
    group = root / f"egress-bench-limits-{os.getpid()}"
    group.mkdir()
    try:
        for name, value in settings.items():
            (group / name).write_text(value, encoding="ascii")
        (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
        yield
    finally:
        for member in (group / "cgroup.procs").read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):
                (root / "cgroup.procs").write_text(member, encoding="ascii")
        group.rmdir()
