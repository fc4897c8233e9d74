"""Runs load plans in Locust processes, from an ordinary process that never imports gevent or locust."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from bench.load.engine.request import encode
from bench.load.events import LoadEvent
from bench.load.outcome import LoadOutcome
from bench.load.plan import LoadPlan, Target
from bench.load.run.failures import GeneratorError
from bench.load.run.launcher import Launcher
from bench.load.run.locust_outputs import NO_LOCUST_OUTPUTS, LocustOutputs
from bench.load.run.plan_run import PlanRun
from bench.load.run.processes import Processes
from bench.load.run.settings import ProcessSettings


def run_load(
    plan: LoadPlan,
    folder: Path,
    *,
    on_event: Callable[[LoadEvent], None] | None = None,
    stop: threading.Event | None = None,
    locust_outputs: LocustOutputs | None = None,
    launcher: Launcher | None = None,
) -> LoadOutcome:
    """Run *plan* in Locust processes of its own; ``folder`` gets plan, outcome and Locust's output.

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
    processes = Processes(ProcessSettings.of(plan), folder, locust_outputs or NO_LOCUST_OUTPUTS, launcher)
    try:
        processes.start()
        outcome, _ = carry_out(processes, plan, folder, on_event, stop)
        processes.quit()
        return outcome
    finally:
        processes.end()


class LoadGenerator:
    """Locust processes that are started once and carry out one plan after the other.

    ``run_load`` has the signature of the function of that name, and takes its place. Processes are started
    when a plan first needs them, again after a failure, and for each plan if Locust's own outputs are asked
    for, which are of one load each. Use it as a context manager: its end is theirs.
    """

    def __init__(self, folder: Path) -> None:
        """*folder* gets Locust's output."""
        self._folder = folder
        self._started = 0
        self._running: list[Processes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        try:
            for processes in self._running:
                processes.quit()
        finally:
            for processes in self._running:
                processes.end()
            self._running.clear()

    def prepare(self, plan: LoadPlan, *, launcher: Launcher | None = None) -> None:
        """Start the processes that *plan* needs, and do not wait for them.

        Raises:
            LoadError: more workers than connections.
        """
        self._processes_for(plan, launcher)

    def run_load(
        self,
        plan: LoadPlan,
        folder: Path,
        *,
        on_event: Callable[[LoadEvent], None] | None = None,
        stop: threading.Event | None = None,
        locust_outputs: LocustOutputs | None = None,
        launcher: Launcher | None = None,
    ) -> LoadOutcome:
        """Run *plan*; ``folder`` gets plan and outcome. See the function of this name."""
        if locust_outputs:
            return run_load(
                plan, folder, on_event=on_event, stop=stop, locust_outputs=locust_outputs, launcher=launcher
            )
        processes = self._processes_for(plan, launcher)
        is_free = False
        try:
            outcome, is_free = carry_out(processes, plan, folder, on_event, stop)
        finally:
            if not is_free:
                # Whatever went wrong, the next plan must not suffer from it.
                self._running.remove(processes)
                processes.end()
        return outcome

    def _processes_for(self, plan: LoadPlan, launcher: Launcher | None) -> Processes:
        settings = ProcessSettings.of(plan)
        for processes in self._running:
            if (processes.settings, id(processes.launcher)) == (settings, id(launcher)):
                if processes.are_alive:
                    return processes
                self._running.remove(processes)
                processes.end()
                break
        self._started += 1
        folder = (
            self._folder
            if self._started == 1
            else self._folder.with_name(f"{self._folder.name}-{self._started}")
        )
        processes = Processes(settings, folder, NO_LOCUST_OUTPUTS, launcher)
        self._running.append(processes)
        processes.start()
        return processes


def carry_out(
    processes: Processes,
    plan: LoadPlan,
    folder: Path,
    on_event: Callable[[LoadEvent], None] | None,
    stop: threading.Event | None,
) -> tuple[LoadOutcome, bool]:
    """Run *plan* on *processes*; also returns whether these can take another one."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    plan = _with_absolute_paths(plan)
    for kind in plan.requests:
        # What cannot be sent is reported here and now, and not by each worker.
        encode(plan, kind)
    path = folder / "plan.json"
    path.write_text(plan.model_dump_json(indent=1), encoding="utf-8")
    notify = on_event or (lambda _: None)
    run = PlanRun(plan, processes, notify)
    if not processes.stand_by(notify, stop):
        outcome = run.unbegun("stopped")
        _write(folder, outcome)
        return outcome, False
    try:
        launcher = processes.launcher
        outcome = run.follow(launcher.give(path) if launcher is not None else str(path), stop)
    except BaseException as error:
        measured = run.salvage()
        if measured is not None:
            _write(folder, measured)
            if isinstance(error, GeneratorError):
                error.outcome = measured
        raise
    _write(folder, outcome)
    return outcome, run.is_over and not run.has_lost


def _write(folder: Path, outcome: LoadOutcome) -> None:
    (folder / "outcome.json").write_text(outcome.model_dump_json(indent=1), encoding="utf-8")


def _with_absolute_paths(plan: LoadPlan) -> LoadPlan:
    """Locust works in another folder."""
    requests = tuple(
        kind if kind.target is None else kind.model_copy(update={"target": _at_absolute_paths(kind.target)})
        for kind in plan.requests
    )
    return plan.model_copy(update={"target": _at_absolute_paths(plan.target), "requests": requests})


def _at_absolute_paths(target: Target) -> Target:
    tls = target.tls
    if tls is None:
        return target
    paths = {
        name: str(Path(value).resolve())
        for name in ("ca", "certificate", "private_key")
        if (value := getattr(tls, name)) is not None
    }
    return target.model_copy(update={"tls": tls.model_copy(update=paths)})
