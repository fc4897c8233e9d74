"""Searches on a simulated target: ours, Nighthawk's rules, plain bisection. Trials in, rate out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.analysis.capacity import Capacity, Goal, Purpose, Trial, next_step
from tests.benchmarks.search.targets import Target


@dataclass(frozen=True)
class Answer:
    """What a search says, and what it cost."""

    rate: float | None
    """None: it gave up."""
    trials: int
    spent_s: float


def ours(goal: Goal, target: Target, generator: float = math.inf) -> tuple[Capacity, list[Trial]]:
    """MLRsearch on *target*; the generator cannot offer more than *generator* requests/s."""
    trials: list[Trial] = []
    while not isinstance(step := next_step(goal, trials), Capacity):
        windows: tuple[float, ...] = ()
        target.rest(step.rest_s)
        limited = step.load > generator
        if limited:
            target.offer(generator, step.duration_s)
            loss = 1 - generator / step.load
        elif step.purpose is Purpose.SOAK:
            seconds = max(1, round(step.duration_s))
            windows = tuple(target.offer(step.load, step.duration_s / seconds) for _ in range(seconds))
            loss = sum(windows) / len(windows)
        else:
            loss = target.offer(step.load, step.duration_s)
        trials.append(Trial(step.load, step.duration_s, loss, step.purpose, step.target, limited, windows))
    return step, trials


def nighthawk(goal: Goal, target: Target, *, trial_s: float = 10, testing_s: float = 30) -> Answer:
    """Nighthawk's adaptive load controller with its defaults.

    Doubles from the initial load until one trial is bad, halves the interval until two successive loads
    differ by less than 1 %, then tests the last midpoint, which was never measured; a bad initial load or a
    bad test gives up (source/adaptive_load/step_controller_impl.cc, adaptive_load_controller_impl.cc).
    """
    spent_s, trials = 0.0, 0

    def good(load: float, seconds: float) -> bool:
        nonlocal spent_s, trials
        spent_s, trials = spent_s + seconds, trials + 1
        return target.offer(load, seconds) <= goal.loss

    load, previous = goal.start, math.nan
    while good(load, trial_s):
        previous, load = load, load * 2
        if load > goal.highest * 2:
            return Answer(goal.highest, trials, spent_s)
    if math.isnan(previous):
        return Answer(None, trials, spent_s)
    bottom, top = previous, load
    previous, load = load, (bottom + top) / 2
    while abs(load / previous - 1) >= 0.01:
        if good(load, trial_s):
            bottom = load
        else:
            top = load
        previous, load = load, (bottom + top) / 2
    return Answer(load if good(load, testing_s) else None, trials, spent_s)


def bisection(goal: Goal, target: Target, *, trial_s: float = 10) -> Answer:
    """Halve the whole range, one trial a load, until the bounds are within the goal's width."""
    low, high = goal.lowest, goal.highest
    trials = 0
    while high / low > 1 + goal.width:
        middle = math.sqrt(low * high)
        trials += 1
        if target.offer(middle, trial_s) <= goal.loss:
            low = middle
        else:
            high = middle
    return Answer(low, trials, trials * trial_s)
