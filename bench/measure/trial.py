"""Trials: load on a running stack, or on several in turns, read at the edges of the measured stage."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from bench.errors import BenchError, LoadError
from bench.load import Generator, LoadEvent, LoadOutcome, LoadPlan, StageEnded, StageStarted
from bench.load.run import Launcher, LocustOutputs, run_load
from bench.measure.bookkeeper import Readings
from bench.measure.ground import Ground
from bench.measure.hop_times import HopWatch
from bench.measure.meter import Reading
from bench.measure.trial_plan import TrialPlan, load_plan, stack_target
from bench.measure.trial_result import StackReadings, Trial, finished_trial, part_rows
from bench.measure.turns import in_turns, share_of
from bench.scenario import Scenario
from bench.stack import Stack
from bench.telemetry import MemorySampler, PartSample


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


@dataclass(frozen=True, slots=True)
class Side:
    """One stack's part in a load: where, what, and how."""

    ground: Ground
    scenario: Scenario
    plan: TrialPlan

    def load(self, run_id: str) -> LoadPlan:
        """What the generator would be asked to do for this stack alone."""
        stack = self.ground.stack
        return load_plan(self.scenario, self.plan, stack_target(stack, self.scenario), run_id)


class _Watch:
    """Reads the stacks at the edges of the measured stage and looks after all parts.

    The first failure ends the load in an orderly way: what was measured until then is worth keeping.
    """

    def __init__(self, grounds: Sequence[Ground]) -> None:
        self._grounds = grounds
        self.edges: dict[str, tuple[Reading, ...]] = {}
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
                self.check_alive()

    def check_alive(self) -> None:
        """Look after all parts."""
        for ground in self._grounds:
            self._attempt(ground.check_alive)

    def read(self, edge: str) -> None:
        """Read everything and keep it under this name."""

        def keep() -> None:
            self.edges[edge] = tuple(ground.read_meter() for ground in self._grounds)

        self._attempt(keep)

    def _attempt(self, action: Callable[[], None]) -> None:
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
    side = Side(ground, scenario, plan)
    load = side.load(run_id)

    def drive(watch: _Watch) -> tuple[LoadOutcome, BaseException | None]:
        return drive_load(
            run_load,
            load,
            folder,
            on_event=watch.on_event,
            stop=watch.stop,
            launcher=ground.stack.client(scenario.traffic.client),
            locust_outputs=locust_outputs,
        )

    (trial,) = _run((side,), (load,), drive, lambda outcome: (outcome,))
    return trial


def run_in_turns(
    sides: Sequence[Side],
    *,
    run_id: str,
    seed: int,
    folder: Path,
    run_load: LoadRunner = run_load,
) -> tuple[Trial, ...]:
    """Put one load on several stacks, which take turns, and return the trial of each.

    Args:
        sides: the stacks, whose plans differ in their names; see ``bench.measure.turns.can_share``.
        run_id: of all their requests.
        seed: of the order of their turns.
        folder: for the generator's own files.
        run_load: the generator.

    Raises:
        StackError, MeasurementError: a stack could not be read before the load.
    """
    loads = {side.plan.name: side.load(run_id) for side in sides}
    whole = in_turns(loads, seed=seed)

    def drive(watch: _Watch) -> tuple[LoadOutcome, BaseException | None]:
        return drive_load(run_load, whole, folder, on_event=watch.on_event, stop=watch.stop)

    return _run(
        sides,
        tuple(loads.values()),
        drive,
        lambda outcome: tuple(share_of(outcome, name, len(loads)) for name in loads),
    )


def _run(
    sides: Sequence[Side],
    loads: Sequence[LoadPlan],
    drive: Callable[[_Watch], tuple[LoadOutcome, BaseException | None]],
    split: Callable[[LoadOutcome], Sequence[LoadOutcome]],
) -> tuple[Trial, ...]:
    """Read all sides, put the load on them, read them again; the outcome is split into that of each."""
    started_at = datetime.now(UTC)
    grounds = [side.ground for side in sides]
    watch = _Watch(grounds)
    stacks = {id(stack): stack for ground in grounds for stack in ground.stacks.values()}
    containers = _containers_of(stacks.values())
    parts = {
        _key(number, part.name): part.pid
        for number, ground in enumerate(grounds)
        for part in ground.stack.components()
    }
    with MemorySampler(parts, containers=containers or ()) as memory:
        openings = [ground.books.read() for ground in grounds]
        hops = [ground.watch_hops() for ground in grounds]
        before = [ground.read_meter() for ground in grounds]
        outcome, failure = drive(watch)
        if not isinstance(failure, KeyboardInterrupt):
            watch.check_alive()
            # A part that is silent keeps each reading waiting, and this one serves a whole trial alone.
            if watch.failure is None or "last" in watch.edges:
                watch.read("after")
            # A part that died is why the generator failed, if both did.
            failure = watch.failure or failure
    seen = [
        _Seen(
            opening=openings[number],
            hops=hops[number],
            before=before[number],
            edges={name: readings[number] for name, readings in watch.edges.items()},
            peaks=_of_side(memory.peaks, number),
            peak_memory_bytes=memory.peak_bytes if containers is not None else None,
            series=[
                replace(each, part=part) for each in memory.series if (part := _part_of(each.part, number))
            ],
        )
        for number in range(len(sides))
    ]
    return tuple(
        _trial(side, load, own, each, started_at, failure)
        for side, load, own, each in zip(sides, loads, split(outcome), seen, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read of one side before, under and after the load."""

    opening: Readings
    hops: HopWatch | None
    before: Reading
    edges: Mapping[str, Reading]
    """``first`` and ``last`` of the measured stage, and ``after`` everything, as far as it came."""
    peaks: Mapping[str, int]
    """Part -> its largest memory."""
    peak_memory_bytes: int | None
    """Of the whole run; None: without its containers it would be the memory of something else."""
    series: Sequence[PartSample]

    @property
    def span_us(self) -> tuple[int, int] | None:
        """When the measured stage began and ended; None: it was not seen to its end."""
        if not {"first", "last"} <= self.edges.keys():
            return None
        return self.edges["first"].wall_us, self.edges["last"].wall_us

    def readings(self, side: Side, outcome: LoadOutcome) -> StackReadings | None:
        """What the stack used and counted; None: it was not read to the end."""
        if not {"first", "last", "after"} <= self.edges.keys():
            return None
        first, last = self.edges["first"], self.edges["last"]
        is_elsewhere = side.ground.stack.client(side.scenario.traffic.client) is not None
        return StackReadings(
            costs=side.ground.meter.costs(first, last, _sent_while_measured(outcome), self.peaks),
            tls=first.tls_until(last),
            whole_tls=self.before.tls_until(self.edges["after"]),
            measured_from_us=first.wall_us,
            peak_memory_bytes=self.peak_memory_bytes,
            machine=first.machine_until(last, outcome.generator.cpu_seconds if is_elsewhere else 0.0),
        )


def _trial(  # noqa: PLR0917 - one side, and all that there is of it
    side: Side,
    load: LoadPlan,
    outcome: LoadOutcome,
    seen: _Seen,
    started_at: datetime,
    failure: BaseException | None,
) -> Trial:
    """Close the books of one side and put its trial together."""
    ledger = None
    if not isinstance(failure, KeyboardInterrupt):
        # A part that is gone has no counters: its books say so.
        with contextlib.suppress(BenchError):
            ledger = side.ground.books.close(seen.opening, load, outcome)
    # The logs are written by now: the books have waited for them.
    times = seen.hops.times(*seen.span_us) if seen.hops is not None and seen.span_us is not None else None
    first = seen.edges.get("first")
    return finished_trial(
        side.plan,
        started_at,
        outcome,
        readings=seen.readings(side, outcome),
        ledger=ledger,
        hop_times=times,
        parts=part_rows(side.plan, seen.series, first.at_s) if first is not None else (),
        failure=failure,
    )


def _key(side: int, part: str) -> str:
    """Parts of different stacks have the same names."""
    return f"{side} {part}"


def _part_of(key: str, side: int) -> str:
    """The name of the part; empty: it is of another side."""
    number, _, part = key.partition(" ")
    return part if number == str(side) else ""


def _of_side(peaks: Mapping[str, int], side: int) -> dict[str, int]:
    return {part: peak for key, peak in peaks.items() if (part := _part_of(key, side))}


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
