"""A short search as a part of `run`: its answer is one of the five."""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench.analysis.capacity import Goal
from bench.errors import InputError
from bench.experiment.capacity.pressure import read_pressure
from bench.experiment.capacity.searching import empty_result, search
from bench.experiment.capacity.settings import HIGHEST, limits_of, quick_goal
from bench.experiment.capacity.trials import Trials
from bench.experiment.run_context import RunContext
from bench.result import RunWarning
from bench.scenario import CapacitySearch
from bench.scenario.load import LoadedScenario

_AROUND = 1.4
"""What loads cost beside their trials, as a multiple; for the progress bar only."""


def planned_s(settings: CapacitySearch) -> float:
    """What a search takes at most, for the progress bar."""
    return settings.most_s * _AROUND


def goal_within_run(loaded: LoadedScenario, settings: CapacitySearch, loss: float) -> Goal:
    """A coarse goal that ends within the seconds that the scenario gives it."""
    return quick_goal(loaded, lowest=None, highest=HIGHEST, loss=loss, most_s=settings.most_s)


def measure_capacity(run: RunContext, settings: CapacitySearch) -> None:
    """Search on a stack of its own, whose configuration was verified before.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    loaded = run.prepared.loaded
    try:
        limits = limits_of(loaded, None)
    except InputError as error:
        warning = RunWarning(
            code="no-limit-for-capacity",
            message=f"No capacity was searched for: {error.what}",
            advice="Set limits.response_time_p99_ms in scenario.yaml.",
        )
        run.record.warn(warning, run.observer)
        return
    source = run.options.other_source
    goal = goal_within_run(loaded, settings, limits[0].share)
    with ExitStack() as running:
        stack = run.start_stack(running, "capacity", source)
        meter = running.enter_context(
            run.instruments.open_meter(stack, loaded.scenario.traffic.exit, loaded.scenario.traffic.senders)
        )
        run.record.capacity = empty_result(goal, limits, source)
        trials = Trials(run, stack, source, limits, goal.loss, meter, read_pressure, prefix="capacity-")
        search(goal, trials, time.sleep)
