"""One trial: load on one running stack, with readings at the edges of its measured stage."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from bench.errors import BenchError, LoadError
from bench.load import Generator, LoadEvent, LoadOutcome, LoadPlan, StageEnded, StageStarted
from bench.load.run import Launcher, LocustOutputs, run_load
from bench.measure.ground import Ground
from bench.measure.meter import Reading
from bench.measure.trial_plan import TrialPlan, load_plan, stack_target
from bench.measure.trial_result import StackReadings, Trial, finished_trial, part_rows
from bench.scenario import Scenario
from bench.stack import Stack
from bench.telemetry import MemorySampler


class LoadRunner(Protocol):
    """Puts load on a target; see ``bench.load.run.runner.run_load``."""

    def __call__(
        self,
        plan: LoadPlan,
        folder: Path,
        *,
        on_event: Callable[[LoadEvent], None] | None = None,
        stop: threading.Event | None = None,
        locust_outputs: LocustOutputs | None = None,
        launcher: Launcher | None = None,
    ) -> LoadOutcome:
        """What the load returned."""


class _Watch:
    """Reads the stack at the edges of the measured stage and looks after all parts.

    The first failure ends the load in an orderly way: what was measured until then is worth keeping.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.edges: dict[str, Reading] = {}
        self.failure: BenchError | None = None
        self.stop = threading.Event()

    def on_event(self, event: LoadEvent) -> None:
        """Called by the generator's runner."""
        if self.failure is not None:
            return
        match event:
            case StageStarted(kind="measure"):
                self.read("first")
            case StageEnded(kind="measure"):
                self.read("last")
            case _:
                self.attempt(self._ground.check_alive)

    def read(self, edge: str) -> None:
        """Read everything and keep it under this name."""

        def keep() -> None:
            self.edges[edge] = self._ground.read_meter()

        self.attempt(keep)

    def attempt(self, action: Callable[[], None]) -> None:
        """Do it; the first failure is kept, and ends the load."""
        try:
            action()
        except BenchError as error:
            self.failure = self.failure or error
            self.stop.set()


def run_trial(
    ground: Ground,
    scenario: Scenario,
    plan: TrialPlan,
    *,
    run_id: str,
    folder: Path,
    locust_outputs: LocustOutputs | None = None,
    run_load: LoadRunner = run_load,
) -> Trial:
    """Put load on a stack and return what was measured; *folder* gets the generator's own files.

    Whatever dies under way ends the load, and the trial holds what there is until then; ``Trial.failure`` is
    what it was. *locust_outputs* is what Locust itself shows and writes. The run's memory includes that of
    the idle stacks.

    Raises:
        StackError, MeasurementError: the stack could not be read before the load.
    """
    started_at = datetime.now(UTC)
    stack = ground.stack
    load = load_plan(scenario, plan, stack_target(stack, scenario), run_id)
    parts = {part.name: part.pid for part in stack.components()}
    containers = _containers_of(ground.stacks.values())
    watch = _Watch(ground)
    with MemorySampler(parts, containers=containers or ()) as memory:
        opening = ground.books.read()
        hops = ground.watch_hops()
        before = ground.read_meter()
        outcome, failure = drive_load(
            run_load,
            load,
            folder,
            on_event=watch.on_event,
            stop=watch.stop,
            launcher=stack.client(scenario.traffic.client),
            locust_outputs=locust_outputs,
        )
        if not isinstance(failure, KeyboardInterrupt):
            watch.attempt(ground.check_alive)
            watch.read("after")
            # A part that died is why the generator failed, if both did.
            failure = watch.failure or failure
    readings = None
    if {"first", "last", "after"} <= watch.edges.keys():
        first, last = watch.edges["first"], watch.edges["last"]
        readings = StackReadings(
            costs=ground.meter.costs(first, last, _sent_while_measured(outcome), memory.peaks),
            tls=first.tls_until(last),
            whole_tls=before.tls_until(watch.edges["after"]),
            measured_from_us=first.wall_us,
            # Without the containers it would be the memory of something else.
            peak_memory_bytes=memory.peak_bytes if containers is not None else None,
            machine=first.machine_until(
                last, outcome.generator.cpu_seconds if stack.client(scenario.traffic.client) else 0.0
            ),
        )
    ledger = None
    if not isinstance(failure, KeyboardInterrupt):
        # A part that is gone has no counters: its books say so.
        with contextlib.suppress(BenchError):
            ledger = ground.books.close(opening, load, outcome)
    times = None
    if hops is not None and {"first", "last"} <= watch.edges.keys():
        # The logs are written by now: the books have waited for them.
        times = hops.times(watch.edges["first"].wall_us, watch.edges["last"].wall_us)
    return finished_trial(
        plan,
        started_at,
        outcome,
        readings=readings,
        ledger=ledger,
        hop_times=times,
        parts=part_rows(plan, memory.series, watch.edges["first"].at_s) if "first" in watch.edges else (),
        failure=failure,
    )


def drive_load(
    run_load: LoadRunner,
    load: LoadPlan,
    folder: Path,
    *,
    on_event: Callable[[LoadEvent], None] | None = None,
    stop: threading.Event | None = None,
    launcher: Launcher | None = None,
    locust_outputs: LocustOutputs | None = None,
) -> tuple[LoadOutcome, BaseException | None]:
    """Run a load; return what it returned, and what ended it if that was the generator, or the user."""
    try:
        outcome = run_load(
            load, folder, on_event=on_event, stop=stop, launcher=launcher, locust_outputs=locust_outputs
        )
    except (LoadError, KeyboardInterrupt) as error:
        # The runner writes what it has before it raises.
        return _read_outcome(folder) or _nothing(load, error), error
    return outcome, None


def _read_outcome(folder: Path) -> LoadOutcome | None:
    """What the generator had written to *folder* when it was stopped; None: nothing."""
    try:
        return LoadOutcome.model_validate_json((folder / "outcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _nothing(load: LoadPlan, error: BaseException) -> LoadOutcome:
    """The outcome of a load that ended before anything was heard of it."""
    generator = Generator(cpu_seconds=0.0, requests=0, workers=load.workers, connects=0)
    return LoadOutcome(stages=(), generator=generator, complete=False, reason=str(error))


def _sent_while_measured(outcome: LoadOutcome) -> int:
    return sum(
        subset.counts.sent for stage in outcome.stages if stage.kind == "measure" for subset in stage.subsets
    )


def _containers_of(stacks: Iterable[Stack]) -> list[int] | None:
    """First processes of all containers; None if some of them cannot be seen from here."""
    found: list[int] = []
    for stack in stacks:
        pids = stack.containers()
        if pids is None:
            return None
        found += pids
    return found
