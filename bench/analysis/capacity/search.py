"""The highest load that is good: trials in, the next trial or the answer out.

MLRsearch, RFC 9971: short trials, sums of good and bad seconds for each load, a ladder of targets from coarse
to fine. Nothing is kept between calls: everything follows from the trials, so a search can be replayed,
resumed and read from a result. Where a later trial turns a coarser judgement over (a spoiled one), the search
goes back to the coarse target by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.capacity.goal import Goal, Target
from bench.analysis.capacity.loads import Bounds, Record, bounds, records
from bench.analysis.capacity.trial import Purpose, Trial, Try

State = Literal["found", "at least", "generator-limited", "nothing good", "out of budget"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """The answer. Loads in requests/s."""

    state: State
    """``at least``: the highest load of the search is good; ``generator-limited``: the upper bound is that of
    the generator, the lower one is certain; ``nothing good``: even the lowest load is bad."""
    lower: float | None
    """Relevant lower bound: the capacity that can be relied on."""
    upper: float | None
    """Relevant upper bound: the lowest load that was bad."""
    throughput: float | None
    """Conditional throughput: good answers/s at the lower bound in the worst of the trials that decide."""
    soaked: bool
    """The lower bound has passed a soak."""
    demoted: tuple[float, ...]
    """Loads that short trials had called good and a soak refuted."""
    trials: int
    spent_s: float
    """Seconds of trials."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search has come. Loads in requests/s."""

    lower: float | None
    upper: float | None
    trials: int
    spent_s: float
    expected_s: float
    """What remains if nothing surprising happens."""
    at_most_s: float
    """What remains at most."""


def next_step(goal: Goal, trials: Sequence[Trial]) -> Try | Capacity:
    """The next trial, or the answer if there is nothing left to try or no budget left to try it."""
    loads = records(goal, trials)
    wanted = _wanted(goal, loads)
    if wanted is None:
        return _conclude(goal, loads, trials)
    if _affordable(goal, trials, wanted):
        return wanted
    last = _best(goal, loads)
    if last.lower is not None and _may_soak(goal, trials, loads[last.lower]):
        return _soak(goal, last.lower)
    return _conclude(goal, loads, trials, exhausted=True)


def progress(goal: Goal, trials: Sequence[Trial]) -> Progress:
    """How near the end is: the bounds of the finest target that has any, and what remains."""
    loads = records(goal, trials)
    best = _best(goal, loads)
    spent_s = sum(trial.duration_s for trial in trials)
    at_most_s = max(0.0, goal.most_s - spent_s)
    return Progress(
        lower=None if best.lower is None else goal.load(best.lower),
        upper=None if best.upper is None else goal.load(best.upper),
        trials=len(trials),
        spent_s=spent_s,
        expected_s=min(at_most_s, _expected_s(goal, loads)),
        at_most_s=at_most_s,
    )


def _wanted(goal: Goal, loads: Mapping[int, Record]) -> Try | None:
    """The trial that the first target without its bounds asks for; then the soak."""
    coarser = Bounds(None, None, None, None)
    for number, target in enumerate(goal.ladder):
        found = bounds(goal, target, loads)
        choice = _choose(goal, target, found, coarser, is_first=number == 0)
        if choice is not None:
            index, purpose = choice
            load = goal.load(index)
            return Try(load, goal.duration_s(load), purpose, number)
        coarser = found
    if coarser.lower is not None and goal.soak_s and not loads[coarser.lower].soaks_passed:
        return _soak(goal, coarser.lower)
    return _second_look(goal, loads, coarser)


def _choose(
    goal: Goal, target: Target, found: Bounds, coarser: Bounds, *, is_first: bool
) -> tuple[int, Purpose] | None:
    """Which load to try for *target*; None: its bounds are near enough, or lie at an end of the grid."""
    lower, upper = found.lower, found.upper
    # The coarser target has made sure of where to look; only the first one takes long strides at once.
    stride = goal.doubling if is_first else 2 * target.steps
    if lower is None and upper is None:
        return _begin(goal, coarser, is_first=is_first)
    if lower is None:
        return _go_down(goal, upper or 0, found.next_upper, coarser, stride)
    if upper is None:
        return _go_up(goal, lower, found.next_lower, coarser, stride)
    return _between(lower, upper, target, coarser)


def _begin(goal: Goal, coarser: Bounds, *, is_first: bool) -> tuple[int, Purpose]:
    if is_first:
        return goal.index(goal.start), Purpose.START
    if coarser.lower is not None:
        return coarser.lower, Purpose.CONFIRM_LOWER
    return coarser.upper or 0, Purpose.CONFIRM_UPPER


def _between(lower: int, upper: int, target: Target, coarser: Bounds) -> tuple[int, Purpose] | None:
    if upper - lower <= target.steps:
        return None
    for index, purpose in ((coarser.upper, Purpose.CONFIRM_UPPER), (coarser.lower, Purpose.CONFIRM_LOWER)):
        if index is not None and lower < index < upper:
            return index, purpose
    return (lower + upper) // 2, Purpose.HALVE


def _go_up(
    goal: Goal, lower: int, next_lower: int | None, coarser: Bounds, stride: int
) -> tuple[int, Purpose] | None:
    """Upwards from a lower bound, each stride twice the last one, up to doubling the load."""
    if lower >= goal.top:
        return None
    if coarser.upper is not None and coarser.upper > lower:
        return coarser.upper, Purpose.CONFIRM_UPPER
    if next_lower is not None:
        stride = max(stride, 2 * (lower - next_lower))
    return min(lower + min(stride, goal.doubling), goal.top), Purpose.EXPAND_UP


def _go_down(
    goal: Goal, upper: int, next_upper: int | None, coarser: Bounds, stride: int
) -> tuple[int, Purpose] | None:
    """Downwards from an upper bound, in the same way."""
    if upper <= 0:
        return None
    if coarser.lower is not None and coarser.lower < upper:
        return coarser.lower, Purpose.CONFIRM_LOWER
    if next_upper is not None:
        stride = max(stride, 2 * (next_upper - upper))
    return max(upper - min(stride, goal.doubling), 0), Purpose.EXPAND_DOWN


def _second_look(goal: Goal, loads: Mapping[int, Record], found: Bounds) -> Try | None:
    """Once more at the upper bound, some seconds after it became one: a burst of noise is over by then."""
    if found.upper is None:
        return None
    record = loads[found.upper]
    if record.is_demoted or record.looks_bad:
        return None
    load = goal.load(found.upper)
    rest_s = goal.rest_s if found.lower is None or not goal.soak_s else 0.0
    return Try(load, goal.duration_s(load), Purpose.SECOND_LOOK, len(goal.ladder) - 1, rest_s)


def _soak(goal: Goal, index: int) -> Try:
    return Try(goal.load(index), goal.soak_s, Purpose.SOAK, len(goal.ladder) - 1)


def _affordable(goal: Goal, trials: Sequence[Trial], wanted: Try) -> bool:
    """Is there budget for this trial, and for a soak after it?"""
    keep = goal.soak_s if wanted.purpose is not Purpose.SOAK else 0.0
    spent_s = sum(trial.duration_s for trial in trials)
    return (
        len(trials) + (keep > 0) < goal.most_trials
        and spent_s + wanted.duration_s + keep <= goal.most_s + 1e-9
    )


def _may_soak(goal: Goal, trials: Sequence[Trial], record: Record) -> bool:
    """Is there budget for the only soak of a bound that the search could not prove further?"""
    untried = not (record.soaks_passed or record.soaks_failed)
    spent_s = sum(trial.duration_s for trial in trials)
    is_left = len(trials) < goal.most_trials and spent_s + goal.soak_s <= goal.most_s + 1e-9
    return untried and goal.soak_s > 0 and is_left


def _best(goal: Goal, loads: Mapping[int, Record]) -> Bounds:
    """The bounds of the finest target that has a lower one; else of the finest that has any."""
    rungs = [bounds(goal, target, loads) for target in reversed(goal.ladder)]
    with_lower = [rung for rung in rungs if rung.lower is not None]
    with_any = [rung for rung in rungs if rung.upper is not None]
    return (with_lower or with_any or rungs)[0]


def _conclude(
    goal: Goal, loads: Mapping[int, Record], trials: Sequence[Trial], *, exhausted: bool = False
) -> Capacity:
    found = _best(goal, loads) if exhausted else bounds(goal, goal.ladder[-1], loads)
    record = None if found.lower is None else loads[found.lower]
    return Capacity(
        state="out of budget" if exhausted else _state(found, loads),
        lower=None if found.lower is None else goal.load(found.lower),
        upper=None if found.upper is None else goal.load(found.upper),
        throughput=None
        if record is None or found.lower is None
        else record.conditional_throughput(goal, goal.load(found.lower)),
        soaked=record is not None and record.soaks_passed > 0,
        demoted=tuple(goal.load(index) for index in sorted(loads) if loads[index].is_demoted),
        trials=len(trials),
        spent_s=sum(trial.duration_s for trial in trials),
    )


def _state(found: Bounds, loads: Mapping[int, Record]) -> State:
    if found.upper is not None and loads[found.upper].is_generators:
        return "generator-limited"
    if found.lower is None:
        return "nothing good"
    return "at least" if found.upper is None else "found"


def _expected_s(goal: Goal, loads: Mapping[int, Record]) -> float:
    """Both bounds of each target to settle, half of its seconds for each, the halvings between, the soak."""
    seconds = 0.0
    coarser: Bounds | None = None
    for target in goal.ladder:
        found = bounds(goal, target, loads)
        settle_s = target.duration_sum_s * (1 - goal.exceed_ratio)
        missing = (found.lower is None) + (found.upper is None)
        known = found if not missing else coarser
        gap = (
            goal.doubling
            if known is None or known.lower is None or known.upper is None
            else (known.upper - known.lower)
        )
        halvings = max(0, (max(1, gap // target.steps) - 1).bit_length())
        seconds += settle_s * (missing + halvings)
        coarser = found if not missing else coarser
    final = bounds(goal, goal.ladder[-1], loads)
    soaked = final.lower is not None and loads[final.lower].soaks_passed > 0
    return seconds + (0.0 if soaked else goal.soak_s)
