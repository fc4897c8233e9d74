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
    weights = [kind.weight for kind in plan.requests]
    starts = stage_starts(plan)
    for number, stage in enumerate(plan.stages):
        salt = salt_of(plan, number)
        kinds = schedule.kinds(weights, salt)
        if isinstance(stage.schedule, Closed):
            yield from _closed(number, kinds, share)
            continue
        sequence = 0
        pending = np.zeros(0, dtype=np.int64)
        for due in schedule.due_times(stage.schedule, stage.duration_s, salt=salt):
            while pending.size < due.size:
                pending = np.concatenate([pending, next(kinds)])
            mine = slice((share.index - sequence) % share.total, due.size, share.total)
            picked = due[mine]
            if picked.size:
                yield Chunk(
                    stage=number,
                    due=(picked + starts[number]).tolist(),
                    kinds=pending[: due.size][mine].tolist(),
                    first=number * SEQUENCES + sequence + (mine.start or 0),
                    is_closed=False,
                )
            sequence += due.size
            pending = pending[due.size :]


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
    found: list[schedule.Kinds] = [np.zeros(0, dtype=np.int64)]
    left = count
    for block in schedule.kinds([kind.weight for kind in plan.requests], salt_of(plan, stage)):
        found.append(block[:left])
        left -= found[-1].size
        if left <= 0:
            break
    return np.concatenate(found)
