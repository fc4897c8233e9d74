"""One trial: load on one running stack, with readings at the edges of its measured stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

from bench.load import LoadEvent, LoadOutcome, LoadPlan, StageEnded, StageStarted
from bench.load.run import Launcher, LocustOutputs, run_load
from bench.measure.bookkeeper import Readings
from bench.measure.meter import Reading
from bench.measure.trial_plan import TrialPlan, load_plan, stack_target
from bench.measure.trial_result import StackReadings, Trial, cut_short, finished_trial, measured_stage
from bench.result import ComponentCost, LedgerResult
from bench.scenario.models import Scenario
from bench.stack import Stack
from bench.telemetry.memory import MemorySampler


class LoadRunner(Protocol):
    """Puts load on a target; see ``bench.load.run.runner.run_load``."""

    def __call__(
        self,
        plan: LoadPlan,
        folder: Path,
        *,
        on_event: Callable[[LoadEvent], None] | None = None,
        locust_outputs: LocustOutputs | None = None,
        launcher: Launcher | None = None,
    ) -> LoadOutcome:
        """What the load brought."""


class StackMeter(Protocol):
    """Reads a stack at one moment; see ``bench.measure.meter.Meter``."""

    def read(self) -> Reading:
        """Everything, at once."""

    def costs(
        self, before: Reading, after: Reading, requests: int, peaks: Mapping[str, int]
    ) -> tuple[ComponentCost, ...]:
        """What each part used between two readings."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Bookkeeping(Protocol):
    """Keeps the account of trials on one stack; see ``bench.measure.bookkeeper.Bookkeeper``."""

    def read(self) -> Readings:
        """All hops before the load."""

    def close(self, before: Readings, load: LoadPlan, outcome: LoadOutcome) -> LedgerResult:
        """The account of a trial whose load is over."""


def run_trial(
    stack: Stack,
    scenario: Scenario,
    plan: TrialPlan,
    *,
    run_id: str,
    folder: Path,
    meter: StackMeter,
    books: Bookkeeping,
    locust_outputs: LocustOutputs | None = None,
    beside: Sequence[Stack] = (),
    run_load: LoadRunner = run_load,
) -> Trial:
    """Put load on *stack* and return what was measured; *folder* gets the generator's own files.

    *locust_outputs* is what Locust itself shows and writes. The memory of the run is also that of the stacks
    *beside*.

    Raises:
        LoadError: the generator could not do its job.
        StackError: a part of the stack died.
        MeasurementError: the generator never reached the measured stage.
    """
    started_at = datetime.now(UTC)
    load = load_plan(scenario, plan, stack_target(stack, scenario), run_id)
    edges: dict[str, Reading] = {}
    parts = {part.name: part.pid for part in stack.components()}
    containers = _containers_of([stack, *beside])

    def on_event(event: LoadEvent) -> None:
        match event:
            case StageStarted(kind="measure"):
                edges["first"] = meter.read()
            case StageEnded(kind="measure"):
                edges["last"] = meter.read()
            case _:
                stack.check_alive()

    with MemorySampler(parts, containers=containers or ()) as memory:
        opening = books.read()
        before = meter.read()
        outcome = run_load(
            load,
            folder,
            on_event=on_event,
            launcher=stack.client(scenario.traffic.client),
            locust_outputs=locust_outputs,
        )
        stack.check_alive()
        after = meter.read()
    measured = measured_stage(plan, outcome)
    if "first" not in edges or "last" not in edges:
        raise cut_short(plan, outcome)
    first, last = edges["first"], edges["last"]
    readings = StackReadings(
        costs=meter.costs(first, last, sum(part.counts.sent for part in measured.subsets), memory.peaks),
        tls=first.tls_until(last),
        whole_tls=before.tls_until(after),
        measured_from_us=first.wall_us,
        # Without the containers it would be the memory of something else.
        peak_memory_bytes=memory.peak_bytes if containers is not None else None,
    )
    return finished_trial(plan, started_at, outcome, readings, books.close(opening, load, outcome))


def _containers_of(stacks: Sequence[Stack]) -> list[int] | None:
    """First processes of all containers; None if some of them cannot be seen from here."""
    found: list[int] = []
    for stack in stacks:
        pids = stack.containers()
        if pids is None:
            return None
        found += pids
    return found
