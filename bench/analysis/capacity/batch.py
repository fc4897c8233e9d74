"""Several trials of a search in one go: starting a load takes longer than a short trial."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.capacity.goal import Goal
from bench.analysis.capacity.search import Capacity, next_step
from bench.analysis.capacity.trial import Purpose, Trial, Try


def next_steps(goal: Goal, trials: Sequence[Trial]) -> tuple[Try, ...] | Capacity:
    """The trials at one load that are needed whatever they bring, or the answer.

    Whether all of them are good or all bad, the search would ask for each of them.
    """
    step = next_step(goal, trials)
    if isinstance(step, Capacity):
        return step
    steps = [step]
    hopeful, fearful = list(trials), list(trials)
    while steps[-1].purpose is not Purpose.SOAK:
        last = steps[-1]
        hopeful.append(Trial(last.load, last.duration_s, 0.0, last.purpose, last.target))
        fearful.append(Trial(last.load, last.duration_s, 1.0, last.purpose, last.target))
        after = next_step(goal, hopeful), next_step(goal, fearful)
        if not all(_goes_on(last, each) for each in after):
            break
        steps.append(last)
    return tuple(steps)


def _goes_on(last: Try, step: Try | Capacity) -> bool:
    return (
        isinstance(step, Try)
        and (step.load, step.purpose, step.target) == (last.load, last.purpose, last.target)
        and step.rest_s == 0
    )
