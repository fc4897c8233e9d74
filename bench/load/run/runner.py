"""Runs a load plan in Locust processes, from an ordinary process that never imports gevent or locust."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.child import Child
from bench.errors import LoadError
from bench.load.engine.arrivals import Share, stage_starts
from bench.load.events import LoadEvent, Progress, StageEnded, StageStarted, WorkerLost
from bench.load.messages import (
    EVENT,
    Began,
    Broke,
    Counted,
    Event,
    Lost,
    Over,
    ShareGiven,
    StopRun,
    WorkerGone,
    WorkersPresent,
    line_of,
)
from bench.load.outcome import LoadOutcome
from bench.load.plan import LoadPlan
from bench.load.run.command import Variable
from bench.load.run.launcher import Launcher
from bench.load.run.locust_outputs import LocustOutputs
from bench.load.run.merge import Merger
from bench.load.run.remote_workers import RemoteWorkers
from bench.load.run.starting import start_locust

_PROGRESS_S: Final = 0.5
_START_S: Final = 60.0
"""Longest time from the start of Locust to the first request; workers from elsewhere have theirs on top."""
_STOP_S: Final = 5.0
_QUIT_S: Final = 5.0


class GeneratorError(LoadError):
    """Locust ended before its work was done; ``outcome`` is what was measured until then, if anything."""

    outcome: LoadOutcome | None = None


def run_load(
    plan: LoadPlan,
    folder: Path,
    *,
    on_event: Callable[[LoadEvent], None] | None = None,
    stop: threading.Event | None = None,
    locust_outputs: LocustOutputs | None = None,
    launcher: Launcher | None = None,
) -> LoadOutcome:
    """Run *plan* and return what it brought; ``folder`` gets plan, outcome and Locust's output.

    Args:
        plan: what to send.
        folder: made if missing.
        on_event: called in this thread; what it raises ends the run and reaches the caller.
        stop: once set, the run ends early and the outcome holds what was due until then (``complete`` False).
        locust_outputs: what Locust itself shows and writes; None: nothing.
        launcher: where Locust runs; None: in processes of this machine.

    Raises:
        LoadError: the target cannot be reached at all, the machine's limits are too low, Locust failed.
        KeyboardInterrupt: passed on after the outcome so far was written to ``folder/outcome.json``.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    plan = _with_absolute_paths(plan)
    (folder / "plan.json").write_text(plan.model_dump_json(indent=1), encoding="utf-8")
    run = _Run(plan, folder, on_event or (lambda _: None), locust_outputs or LocustOutputs(), launcher)
    try:
        run.start()
        try:
            outcome = run.follow(stop)
        except BaseException:
            run.save_what_there_is()
            raise
        (folder / "outcome.json").write_text(outcome.model_dump_json(indent=1), encoding="utf-8")
        return outcome
    finally:
        run.end()


class _Run:
    def __init__(
        self,
        plan: LoadPlan,
        folder: Path,
        on_event: Callable[[LoadEvent], None],
        outputs: LocustOutputs,
        launcher: Launcher | None,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._on_event = on_event
        self._outputs = outputs
        self._launcher = launcher
        self._children: list[Child] = []
        self._merger = Merger(plan)
        self._starts = stage_starts(plan)
        self._zero: float | None = None
        """Monotonic start of the first stage."""
        self._crossed = 0
        self._next_progress = 0.0
        self._inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._is_done = False
        self._has_counts = False
        self._workers: set[str] = set()
        self._remote = RemoteWorkers(plan)
        self._lost: set[str] = set()
        self._buried: set[int] = set()
        self._stopped: str | None = None
        self._give_up_at = float("inf")
        self._events, events_end = os.pipe()
        control_end, self._control = os.pipe()
        life_end, self._life = os.pipe()
        self._ours = [self._control, self._life]
        # A thread empties the pipe at once: the generator must never wait because the caller is busy.
        self._listener = threading.Thread(target=self._listen, name="load-events", daemon=True)
        self._theirs = {
            Variable.EVENTS: events_end,
            Variable.CONTROL: control_end,
            Variable.LIFELINE: life_end,
        }

    # --- processes

    def start(self) -> None:
        """Start Locust: one process, or a master and its workers."""
        for child in start_locust(self._plan, self._folder, self._theirs, self._outputs, self._launcher):
            self._children.append(child)

    def end(self) -> None:
        """Kill and reap whatever still runs; close the pipes."""
        if self._is_done:
            deadline = time.monotonic() + _QUIT_S
            for child in self._children:
                child.wait(max(0.0, deadline - time.monotonic()))
        for child in reversed(self._children):
            child.end()
        for fd in self._theirs.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        if self._listener.is_alive():
            self._listener.join()
        for fd in [self._events, *self._ours]:
            with contextlib.suppress(OSError):
                os.close(fd)
        self._ours, self._theirs = [], {}

    def _listen(self) -> None:
        pending = b""
        while data := os.read(self._events, 1 << 20):
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._inbox.put(EVENT.validate_json(line))
        self._inbox.put(None)

    # --- following

    def follow(self, stop: threading.Event | None) -> LoadOutcome:
        """Read events until the run is over."""
        os.close(self._theirs.pop(Variable.EVENTS))
        os.close(self._theirs.pop(Variable.CONTROL))
        self._listener.start()
        started = time.monotonic()
        if self._remote.any:
            self._on_event(self._remote.arrived(0))
        try:
            while not self._is_done:
                if stop is not None and stop.is_set() and self._stopped is None:
                    self._ask_to_stop("stopped")
                self._read(self._wait_s())
                now = time.monotonic()
                self._cross(now)
                self._report(now)
                self._watch_workers()
                if self._zero is None:
                    self._check_patience(now - started)
                if self._has_given_up(now):
                    break
        except KeyboardInterrupt:
            self._collect("interrupted")
            raise
        self._cross(time.monotonic())
        self._report(time.monotonic(), force=True)
        if not self._is_done:
            self._lose_all("did not stop in time")
        return self._merger.outcome(self._stopped)

    def _check_patience(self, waited_s: float) -> None:
        self._remote.check(waited_s)
        if waited_s > self._remote.patience_s(_START_S):
            raise self._died(f"Locust was not ready within {waited_s:.0f} s.")

    def save_what_there_is(self) -> None:
        """After an error: ask for what was measured, and write it down."""
        if not self._has_counts:
            return
        self._collect("aborted")
        with contextlib.suppress(Exception):
            self._lose_all("not heard of at the end")
            outcome = self._merger.outcome(self._stopped or "aborted")
            (self._folder / "outcome.json").write_text(outcome.model_dump_json(indent=1), encoding="utf-8")
            error = sys.exc_info()[1]
            if isinstance(error, GeneratorError):
                error.outcome = outcome

    def _collect(self, reason: str) -> None:
        """Ask Locust to stop and take in what still comes."""
        if self._is_done or self._children[0].exit_code() is not None:
            return
        self._ask_to_stop(reason)
        with contextlib.suppress(LoadError):
            while not self._is_over():
                self._read(0.05)

    def _ask_to_stop(self, reason: str) -> None:
        if self._stopped is None:
            self._stopped = reason
            self._give_up_at = time.monotonic() + _STOP_S
            with contextlib.suppress(OSError):
                os.write(self._control, line_of(StopRun(reason=reason)))

    def _has_given_up(self, now: float) -> bool:
        return self._stopped is not None and now > self._give_up_at

    def _is_over(self) -> bool:
        return self._is_done or self._has_given_up(time.monotonic())

    def _wait_s(self) -> float:
        """Until the next stage boundary, at most 100 ms."""
        if self._zero is None or self._crossed > len(self._plan.stages):
            return 0.1
        return min(0.1, max(0.0, self._zero + self._starts[self._crossed] - time.monotonic()))

    def _read(self, timeout_s: float) -> None:
        try:
            event = self._inbox.get(timeout=timeout_s)
            while not self._is_done:
                if event is None:
                    raise self._died("Locust ended in the middle of the run.")
                self._take(event)
                event = self._inbox.get_nowait()
        except queue.Empty:
            pass

    def _take(self, event: Event) -> None:
        match event:
            case WorkersPresent():
                told = self._remote.arrived(event.workers)
                if self._remote.any:
                    self._on_event(told)
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
                self._is_done = True
                self._stopped = self._stopped or event.reason

    def _watch_workers(self) -> None:
        """Tell the coordinator of workers of ours that ended; it would take it seconds to notice."""
        for child in self._children[1:]:
            code = child.exit_code()
            if code is not None and self._launcher is not None and self._workers:
                # Its process id there is another one: the master notices by itself that it fell silent.
                continue
            if code is None or child.pid in self._buried or self._is_done:
                continue
            self._buried.add(child.pid)
            how = f"killed by signal {-code}" if code < 0 else f"ended with {code}"
            if not self._workers:
                raise self._died(f"{child.name} {how} before the run began.")
            command = WorkerGone(pid=child.pid, detail=f"{how} in the middle of the run")
            with contextlib.suppress(OSError):
                os.write(self._control, line_of(command))

    def _lose(self, worker: str, detail: str) -> None:
        self._lost.add(worker)
        until = time.monotonic() - self._zero if self._zero is not None and self._stopped else None
        line = self._merger.lose(worker, detail, until)
        self._on_event(WorkerLost(worker, line))

    def _lose_all(self, detail: str) -> None:
        until = time.monotonic() - self._zero if self._zero is not None else 0.0
        for worker in self._workers - self._lost:
            self._lost.add(worker)
            self._merger.lose(worker, detail, until)

    def _died(self, what: str) -> GeneratorError:
        for child in self._children:
            child.wait(0.5)
        dead = next((each for each in self._children if each.exit_code() not in (None, 0)), self._children[0])
        code = dead.exit_code()
        how = f" {dead.name} ended with {code}." if code is not None else ""
        return GeneratorError(
            f"{what}{how} Its last output:\n{dead.last_output() or '(none)'}", remedy=f"\nSee {self._folder}."
        )

    # --- telling

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


def _with_absolute_paths(plan: LoadPlan) -> LoadPlan:
    """Locust works in another folder."""
    tls = plan.target.tls
    if tls is None:
        return plan
    paths = {
        name: str(Path(value).resolve())
        for name in ("ca", "certificate", "private_key")
        if (value := getattr(tls, name)) is not None
    }
    target = plan.target.model_copy(update={"tls": tls.model_copy(update=paths)})
    return plan.model_copy(update={"target": target})
