"""The whole plan as one stream of requests, and the share of it that one worker takes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from bench.load.engine import schedule
from bench.load.plan import LoadPlan, Stage
from bench.scenario import Closed, Constant

SEQUENCES = 10_000_000_000
"""Sequence numbers that a stage has for itself: request *i* of stage *s* is ``s * SEQUENCES + i``."""


@dataclass(frozen=True, slots=True)
class Share:
    """Every *total*-th request, beginning with number *index*."""

    index: int = 0
    total: int = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next requests of one stage."""

    stage: int
    due: list[float]
    """Seconds from the run's start; 0.0 in a closed loop: due when a connection is free."""
    kinds: list[int]
    first: int
    """Sequence number of the first; the others follow in steps of the share's total."""
    is_closed: bool


def salt_of(plan: LoadPlan, stage: int) -> int:
    """What makes the random numbers of one stage of one plan its own."""
    return plan.seed * 1000 + stage


def stage_starts(plan: LoadPlan) -> list[float]:
    """Start of each stage and, last, the end of all, in seconds from the run's start."""
    starts = [0.0]
    for stage in plan.stages:
        starts.append(starts[-1] + stage.duration_s)
    return starts


def arrivals(plan: LoadPlan, share: Share) -> Generator[Chunk, bool | None, None]:
    """All requests of *share*, stage by stage.

    A closed stage is an endless run of chunks: ``send`` a True to go on to the next stage.
    """
    starts = stage_starts(plan)
    for number, stage in enumerate(plan.stages):
        if isinstance(stage.schedule, Closed):
            yield from _closed(number, _mixed(plan, number), share)
            continue
        sequence = 0
        for due, kinds in _open(plan, number):
            mine = slice((share.index - sequence) % share.total, due.size, share.total)
            picked = due[mine]
            if picked.size:
                yield Chunk(
                    stage=number,
                    due=(picked + starts[number]).tolist(),
                    kinds=kinds[mine].tolist(),
                    first=number * SEQUENCES + sequence + (mine.start or 0),
                    is_closed=False,
                )
            sequence += due.size


def _mixed(plan: LoadPlan, stage: int) -> Iterator[schedule.Kinds]:
    return schedule.kinds([kind.weight for kind in plan.requests], salt_of(plan, stage))


def _open(plan: LoadPlan, stage: int) -> Iterator[tuple[schedule.Floats, schedule.Kinds]]:
    """Due times within an open-loop stage, chunk by chunk, each with the kinds of its requests."""
    salt, here = salt_of(plan, stage), plan.stages[stage]
    weights = [kind.weight for kind in plan.requests]
    groups = plan.turns.groups if plan.turns is not None else (tuple(range(len(weights))),)
    drawn = [
        _Stream(np.array(group), schedule.kinds([weights[index] for index in group], salt + number))
        for number, group in enumerate(groups)
    ]
    for due in schedule.due_times(here.schedule, here.duration_s, salt=salt):
        if plan.turns is None:
            yield due, drawn[0].take(due.size)
            continue
        turn = schedule.turns(due, len(groups), plan.turns.slice_s, salt)
        kinds = np.empty(due.size, dtype=np.int64)
        for number, stream in enumerate(drawn):
            own = turn == number
            kinds[own] = stream.take(int(own.sum()))
        yield due, kinds


class _Stream:
    """Kinds of one group, as many as asked for at a time."""

    def __init__(self, group: schedule.Kinds, kinds: Iterator[schedule.Kinds]) -> None:
        self._group, self._kinds = group, kinds
        self._pending = np.zeros(0, dtype=np.int64)

    def take(self, count: int) -> schedule.Kinds:
        while self._pending.size < count:
            self._pending = np.concatenate([self._pending, next(self._kinds)])
        taken, self._pending = self._pending[:count], self._pending[count:]
        return self._group[taken]


def _closed(
    number: int, kinds: Iterator[schedule.Kinds], share: Share
) -> Generator[Chunk, bool | None, None]:
    sequence = 0
    for block in kinds:
        mine = slice((share.index - sequence) % share.total, block.size, share.total)
        picked = block[mine].tolist()
        first = number * SEQUENCES + sequence + (mine.start or 0)
        sequence += block.size
        if picked:
            leave = yield Chunk(number, [0.0] * len(picked), picked, first, is_closed=True)
            if leave:
                return


def due_by_kind(plan: LoadPlan, share: Share, stage: int, until_s: float | None = None) -> list[int]:
    """How many requests of each kind *share* holds in an open-loop *stage*, up to *until_s* of the run."""
    only = plan.model_copy(update={"stages": plan.stages[: stage + 1]})
    counts = np.zeros(len(plan.requests), dtype=np.int64)
    if isinstance(plan.stages[stage].schedule, Closed):
        return [int(count) for count in counts]
    for chunk in arrivals(_without_closed(only), share):
        if chunk.stage == stage:
            kinds = np.asarray(chunk.kinds)
            if until_s is not None:
                kinds = kinds[np.asarray(chunk.due) <= until_s]
            counts += np.bincount(kinds, minlength=counts.size)
    return [int(count) for count in counts]


def _without_closed(plan: LoadPlan) -> LoadPlan:
    """The same plan in which closed stages hold one request: their real number is not known in advance."""

    def tame(stage: Stage) -> Stage:
        if isinstance(stage.schedule, Closed):
            return stage.model_copy(update={"schedule": Constant(arrival_rate=1 / stage.duration_s)})
        return stage

    return plan.model_copy(update={"stages": tuple(tame(stage) for stage in plan.stages)})


def kinds_of(plan: LoadPlan, stage: int, count: int) -> schedule.Kinds:
    """The kind (an index of ``requests``) of each of the first *count* requests of a stage, in sequence."""
    is_closed = isinstance(plan.stages[stage].schedule, Closed)
    blocks = _mixed(plan, stage) if is_closed else (kinds for _, kinds in _open(plan, stage))
    found: list[schedule.Kinds] = [np.zeros(0, dtype=np.int64)]
    left = count
    for block in blocks:
        found.append(block[:left])
        left -= found[-1].size
        if left <= 0:
            break
    return np.concatenate(found)
