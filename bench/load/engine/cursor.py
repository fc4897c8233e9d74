"""How far a worker is in its share of the schedule."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from bench.load.engine.arrivals import Chunk, Share, arrivals, stage_starts
from bench.load.engine.recorder import Bucket, Recorder
from bench.load.engine.request import RequestIds
from bench.load.plan import LoadPlan

_NEVER: Final = math.inf


class Cursor:
    """The chunk of the schedule that is being sent; the engine's hot loop reads its fields directly.

    ``due[at]`` is when the next request is due (monotonic), 0.0 in a closed loop, infinity behind the last.
    """

    __slots__ = (
        "_accounted",
        "_arrivals",
        "_held",
        "_installed",
        "_kinds",
        "_recorder",
        "_series",
        "_stage_buckets",
        "_step",
        "at",
        "buckets",
        "due",
        "end",
        "is_closed_loop",
        "request_ids",
        "stage",
        "starts",
    )

    def __init__(self, plan: LoadPlan, share: Share, recorder: Recorder) -> None:
        self._recorder = recorder
        self._arrivals = arrivals(plan, share)
        self._held: Chunk | None = None
        self._installed = -1
        """Stage of the current chunk."""
        self._accounted = 0
        self.starts = [_NEVER]
        """Monotonic start of each stage and, last, the end of all."""
        self.stage = -1
        """Stage whose time it is: -1 before the first, their number after the last."""
        self.due: list[float] = [_NEVER]
        self._kinds: list[int] = []
        self._stage_buckets: list[Bucket] = []
        self.buckets: list[Bucket] = []
        """What each request of the chunk is counted in."""
        self.at = 0
        self.end = 0
        """How many requests the chunk has."""
        self.request_ids: list[bytes] = []
        """Their ids."""
        self._step: Final = share.total
        self._series: Final = RequestIds(plan.run_id).series
        self.is_closed_loop = False

    def begin(self, plan: LoadPlan, at: float) -> None:
        """Fix the run's start."""
        self.starts = [at + start for start in stage_starts(plan)]
        self._recorder.begin(self.starts)
        self.load()

    def account(self) -> None:
        """Count as due what was handed out, independently of what became of it."""
        kinds = self._kinds[self._accounted : self.at]
        if kinds:
            for index, count in enumerate(np.bincount(kinds, minlength=len(self._stage_buckets)).tolist()):
                self._stage_buckets[index].due += count
            self._accounted = self.at

    def load(self, *, leave_stage: bool = False) -> None:
        """Go on to the next chunk; of a closed stage, only once its time has come."""
        self.account()
        try:
            chunk = self._arrivals.send(True) if leave_stage else next(self._arrivals)
        except StopIteration:
            self._clear()
            return
        if chunk.is_closed and chunk.stage != self.stage:
            self._held = chunk
            self._clear()
            return
        self._install(chunk)

    def enter(self, stage: int) -> bool:
        """The time of *stage* has come; True if a closed loop begins."""
        self.stage = stage
        if self.is_closed_loop and self._installed < stage:
            self.load(leave_stage=True)
        if self._held is not None and self._held.stage == stage:
            held, self._held = self._held, None
            self._install(held)
            return True
        return False

    def halt(self) -> None:
        """Nothing more becomes due."""
        self.account()
        self._clear()
        self._held = None
        self._arrivals.close()

    def _clear(self) -> None:
        self.due, self._kinds, self.at, self.end, self._accounted = [_NEVER], [], 0, 0, 0
        self.is_closed_loop = False

    def _install(self, chunk: Chunk) -> None:
        zero = self.starts[0]
        self.due = list(chunk.due) if chunk.is_closed else [zero + due for due in chunk.due]
        self.due.append(_NEVER)
        self._kinds = chunk.kinds
        self.end = len(chunk.kinds)
        self._stage_buckets = buckets = self._recorder.buckets[chunk.stage]
        self.buckets = [buckets[kind] for kind in chunk.kinds]
        self.request_ids = self._series(chunk.first, self._step, self.end)
        self.at = self._accounted = 0
        self.is_closed_loop = chunk.is_closed
        self._installed = chunk.stage
