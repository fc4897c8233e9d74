"""A load with the stack watched meanwhile, and read at both ends of what is measured."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.errors import BenchError, ControlPlaneLostError
from bench.experiment.run_context import RunContext
from bench.load import LoadEvent, LoadOutcome, LoadPlan, StageEnded, StageStarted
from bench.measure import Reading, StackMeter
from bench.stack import Stack


def run_watched(
    run: RunContext, stack: Stack, meter: StackMeter, load: LoadPlan, name: str, *, each_stage: bool
) -> tuple[LoadOutcome, list[Reading]]:
    """Put *load* on *stack*; give its outcome and the readings of *meter*.

    Args:
        run: whose load it is.
        stack: what is watched.
        meter: reads it.
        load: what to send.
        name: of the generator's folder.
        each_stage: two readings of each measured stage; otherwise one where the first begins, and one where
            the last ends. An outcome that is not complete may have fewer.

    Raises:
        StackError, LoadError, MeasurementError: a part, the generator or a reading failed. A control plane
            that dies is warned of, and ends nothing.
    """
    outcome, readings = _run(run, [(stack, meter)], load, name, each_stage=each_stage)
    return outcome, [each for (each,) in readings]


def run_all_watched(
    run: RunContext, watched: Sequence[tuple[Stack, StackMeter]], load: LoadPlan, name: str
) -> tuple[LoadOutcome, list[tuple[Reading, ...]]]:
    """Put a *load* on several stacks whose clients are here; two readings of each, at each measured stage.

    Raises:
        StackError, LoadError, MeasurementError: as ``run_watched``.
    """
    return _run(run, watched, load, name, each_stage=True)


def _run(
    run: RunContext,
    watched: Sequence[tuple[Stack, StackMeter]],
    load: LoadPlan,
    name: str,
    *,
    each_stage: bool,
) -> tuple[LoadOutcome, list[tuple[Reading, ...]]]:
    watch = _Watch(watched, each_stage)
    outcome = run.instruments.run_load(
        load,
        run.record.folder / "logs" / "generator" / name,
        on_event=watch.on_event,
        stop=watch.stop,
        launcher=watched[0][0].client(run.scenario.traffic.client),
    )
    if watch.failure is not None:
        raise watch.failure
    for stack, _ in watched:
        run.check_alive(stack, f"in or before load {name}", outcome)
    return outcome, watch.readings


@dataclass(slots=True)
class _Watch:
    """The first failure ends the load."""

    watched: Sequence[tuple[Stack, StackMeter]]
    each_stage: bool
    readings: list[tuple[Reading, ...]] = field(default_factory=list)
    failure: BenchError | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def on_event(self, event: LoadEvent) -> None:
        if self.failure is not None:
            return
        try:
            self._see(event)
        except BenchError as error:
            self.failure = error
            self.stop.set()

    def _see(self, event: LoadEvent) -> None:
        match event:
            case StageStarted(kind="measure"):
                if self.each_stage or not self.readings:
                    self.readings.append(self._read())
            case StageEnded(kind="measure") if self.each_stage:
                # The next stage begins at once: its own reading is this one's end.
                self.readings.append(self._read())
            case StageEnded(kind="measure"):
                self.readings[1:] = [self._read()]
            case _:
                for stack, _ in self.watched:
                    # Without its control plane a proxy serves on, and the load shows how.
                    with contextlib.suppress(ControlPlaneLostError):
                        stack.check_alive()

    def _read(self) -> tuple[Reading, ...]:
        return tuple(meter.read() for _, meter in self.watched)
