"""One plan on running Locust processes: follows what they report, and puts together what it returned."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

from bench.errors import LoadError
from bench.load.engine.arrivals import Share, stage_starts
from bench.load.events import LoadEvent, Progress, StageEnded, StageStarted, WorkerLost
from bench.load.messages import (
    Began,
    Broke,
    Counted,
    Event,
    Lost,
    Over,
    RunPlan,
    ShareGiven,
    StopRun,
    WorkerGone,
)
from bench.load.outcome import LoadOutcome
from bench.load.plan import LoadPlan
from bench.load.run.failures import GeneratorError
from bench.load.run.merge import Merger
from bench.load.run.processes import START_S, Processes

SILENCE_S: Final = 15.0
"""Locust reports twice a second; after so long without a word it hangs, and the run ends."""
_PROGRESS_S: Final = 0.5
_STOP_S: Final = 5.0


class PlanRun:
    """From the order to run the plan until it is over."""

    def __init__(self, plan: LoadPlan, processes: Processes, on_event: Callable[[LoadEvent], None]) -> None:
        self._plan = plan
        self._processes = processes
        self._on_event = on_event
        self._merger = Merger(plan)
        self._starts = stage_starts(plan)
        self._zero: float | None = None
        """Monotonic start of the first stage."""
        self._crossed = 0
        self._next_progress = 0.0
        self._heard_at = time.monotonic()
        self.is_over = False
        """Whether all participants are done: the processes are then free for the next plan."""
        self.has_lost = False
        """Whether a worker vanished."""
        self._has_counts = False
        self._workers: set[str] = set()
        self._lost: set[str] = set()
        self._buried: set[int] = set()
        self._stopped: str | None = None
        self._give_up_at = float("inf")

    def follow(self, plan_path: str, stop: threading.Event | None) -> LoadOutcome:
        """Give the order, and read events until the run is over.

        Raises:
            LoadError: the load cannot go on.
            GeneratorError: Locust ended or hangs, or no worker is left; with what was measured so far.
        """
        self._processes.send(RunPlan(plan=plan_path))
        self._heard_at = time.monotonic()
        try:
            while not self.is_over:
                if stop is not None and stop.is_set() and self._stopped is None:
                    self._ask_to_stop("stopped")
                self._read(self._wait_s())
                now = time.monotonic()
                self._cross(now)
                self._report(now)
                self._watch_workers()
                self._check_silence(now)
                if self._has_given_up(now):
                    break
        except KeyboardInterrupt:
            self._collect("interrupted")
            raise
        self._cross(time.monotonic())
        self._report(time.monotonic(), force=True)
        if not self.is_over:
            self._lose_all("did not stop in time")
        return self._merger.outcome(self._stopped)

    def unbegun(self, reason: str) -> LoadOutcome:
        """The outcome of a run that was never ordered."""
        return self._merger.outcome(reason)

    def salvage(self) -> LoadOutcome | None:
        """After an error: what was measured until then; None if nothing was."""
        if not self._has_counts:
            return None
        self._collect("aborted")
        with contextlib.suppress(LoadError):
            self._lose_all("did not report at the end")
            return self._merger.outcome(self._stopped or "aborted")
        return None

    def _check_silence(self, now: float) -> None:
        silence = now - self._heard_at
        if self._zero is None and silence > START_S:
            raise self._processes.died(f"The run did not begin within {silence:.0f} s.")
        if self._zero is not None and silence > SILENCE_S and not self.is_over:
            raise self._processes.died(f"Locust does not respond: no report for {silence:.0f} s.")

    def _collect(self, reason: str) -> None:
        """Ask Locust to stop and take in what still comes."""
        self._ask_to_stop(reason)
        with contextlib.suppress(LoadError):
            while not (self.is_over or self._has_given_up(time.monotonic())):
                self._read(0.05)

    def _ask_to_stop(self, reason: str) -> None:
        if self._stopped is None and not self.is_over:
            self._stopped = reason
            self._give_up_at = time.monotonic() + _STOP_S
            self._processes.send(StopRun(reason=reason))

    def _has_given_up(self, now: float) -> bool:
        return self._stopped is not None and now > self._give_up_at

    def _wait_s(self) -> float:
        """Until the next stage boundary, at most 100 ms."""
        if self._zero is None or self._crossed > len(self._plan.stages):
            return 0.1
        return min(0.1, max(0.001, self._zero + self._starts[self._crossed] - time.monotonic()))

    def _read(self, timeout_s: float) -> None:
        event = self._processes.receive(timeout_s)
        while event is not None:
            self._heard_at = time.monotonic()
            self._take(event)
            if self.is_over:
                return
            event = self._processes.receive(0)

    def _take(self, event: Event) -> None:
        match event:
            case ShareGiven():
                self._workers.add(event.worker)
                self._merger.add_worker(event.worker, Share(event.index, event.total), event.name)
            case Began():
                self._zero = event.at
                self._next_progress = event.at + _PROGRESS_S
            case Counted():
                self._has_counts = True
                self._merger.add(event.worker, event.delta)
            case Lost():
                self._lose(event.worker, event.detail)
            case Broke():
                raise LoadError(event.what, remedy=event.remedy)
            case Over():
                self.is_over = True
                self._stopped = self._stopped or event.reason

    def _watch_workers(self) -> None:
        """Inform the coordinator of workers of ours that ended; it would take it seconds to notice."""
        if self._processes.launcher is not None or self.is_over:
            # Their process ids there are other ones: the master notices by itself that they fell silent.
            return
        for child, how in self._processes.ended_workers():
            if child.pid not in self._buried:
                self._buried.add(child.pid)
                self._processes.send(WorkerGone(pid=child.pid, detail=f"{how} in the middle of the run"))

    def _lose(self, worker: str, detail: str) -> None:
        self.has_lost = True
        self._lost.add(worker)
        until = time.monotonic() - self._zero if self._zero is not None and self._stopped else None
        line = self._merger.lose(worker, detail, until)
        self._on_event(WorkerLost(worker, line))
        if self._stopped is None and self._workers <= self._lost:
            raise GeneratorError(
                f"every load worker is gone, the last one {line}.",
                remedy="Its log says why; a worker that was killed may have had too little memory.",
            )

    def _lose_all(self, detail: str) -> None:
        until = time.monotonic() - self._zero if self._zero is not None else 0.0
        for worker in self._workers - self._lost:
            self._lost.add(worker)
            self._merger.lose(worker, detail, until)

    # --- reporting

    def _cross(self, now: float) -> None:
        """Report the stage boundaries that have passed."""
        stages = self._plan.stages
        while self._zero is not None and self._crossed <= len(stages):
            at = self._zero + self._starts[self._crossed]
            if now < at:
                return
            index = self._crossed
            self._crossed += 1
            if index > 0:
                self._on_event(StageEnded(stages[index - 1].name, stages[index - 1].kind, at))
            if index < len(stages):
                self._on_event(StageStarted(stages[index].name, stages[index].kind, at))

    def _report(self, now: float, *, force: bool = False) -> None:
        if self._zero is None or (now < self._next_progress and not force):
            return
        self._next_progress += _PROGRESS_S
        stages = self._plan.stages
        index = min(max(self._crossed - 1, 0), len(stages) - 1)
        elapsed = now - self._zero
        figures = self._merger.progress()
        remaining = max(0.0, self._starts[-1] - elapsed)
        self._on_event(Progress(stages[index].name, elapsed, remaining, **figures))
