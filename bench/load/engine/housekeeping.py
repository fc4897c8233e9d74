"""What an engine does beside its requests, about 25 times a second: look after connections, and report."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.load.engine.alarm import NEVER
from bench.load.engine.check import Verdict
from bench.load.engine.cursor import Cursor
from bench.load.engine.host import EventLoop
from bench.load.engine.limits import cannot_connect, check_descriptors
from bench.load.engine.pool import NAN, Pool
from bench.load.engine.recorder import FULL, Recorder
from bench.load.engine.usage import GeneratorUsage
from bench.load.messages import Delta
from bench.load.plan import LoadPlan
from bench.result.reasons import Reason, ReasonCode

_REPORT_S: Final = 0.5
_SCAN_S: Final = 0.05
_LAST_WAIT_S: Final = 2.0
"""How long answers are awaited after a stop."""


class Housekeeping:
    """From the first connection until nothing more is to come."""

    def __init__(
        self,
        plan: LoadPlan,
        loop: EventLoop,
        pools: Sequence[Pool],
        parts: tuple[Cursor, Recorder, GeneratorUsage],
        *,
        turn: Callable[[], None],
        on_ready: Callable[[], None],
        on_delta: Callable[[Delta], None],
        on_over: Callable[[], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        """Look after *pools*.

        Args:
            plan: what is sent.
            loop: calls again and again.
            pools: all connections.
            parts: of the same engine.
            turn: handle what has become due.
            on_ready: every connection was tried.
            on_delta: takes what was counted since the last report.
            on_over: nothing more is to come.
            on_error: takes what any of this raised.
        """
        self._plan = plan
        self._loop = loop
        self._pools = pools
        self._cursor, self._recorder, self._usage = parts
        self._turn = turn
        self._on_ready = on_ready
        self._on_delta = on_delta
        self._on_over = on_over
        self._on_error = on_error
        self._drain_until = NEVER
        self._is_opening = self._is_started = self._is_closed = False
        self._tick: Any = None
        self._next_scan = self._next_report = 0.0
        self._random = random.Random(plan.seed)  # noqa: S311 - when to take a sample

    def open(self) -> None:
        """Open the connections; ``on_ready`` follows.

        Raises:
            LoadError: more connections than this process may have open files.
        """
        check_descriptors(self._usage.connections)
        self._is_opening = True
        for pool in self._pools:
            pool.open_all()
        self._schedule()

    def start(self, at: float) -> None:
        """The schedule begins at *at* on the monotonic clock."""
        self._is_started = True
        self._next_report = at + _REPORT_S

    def drain(self, until: float) -> None:
        """Nothing more becomes due; what still waits at *until* is given up."""
        self._drain_until = until

    def stop(self) -> None:
        """Nothing more becomes due: give up what waits; what is in flight has two seconds to come back."""
        self.drain(time.monotonic())
        for pool in self._pools:
            pool.hurry(_LAST_WAIT_S)
        self._give_up_queue(ReasonCode.STOPPED)

    def report(self, *, everything: bool = True) -> None:
        """Hand over what was counted since the last time."""
        self._cursor.account()
        delta = self._recorder.take(everything=everything)
        self._on_delta(delta.model_copy(update={"usage": self._usage.so_far(delta.buckets)}))

    def close(self) -> None:
        """Stop looking, and close every connection."""
        self._is_closed = True
        if self._tick is not None:
            self._tick.stop()
            self._tick.close()
            self._tick = None
        for pool in self._pools:
            for slot in pool.slots:
                pool.close(slot)

    def _schedule(self) -> None:
        # At random distances, so that samples of what is in flight do not lock into the schedule's phase.
        self._tick = self._loop.timer(self._random.uniform(0.02, 0.06))
        self._tick.start(self._ticked)

    def _ticked(self) -> None:
        self._tick.close()
        self._tick = None
        try:
            self._look_after(time.monotonic())
        except Exception as error:  # noqa: BLE001 - a callback has no caller: the run ends with this error
            self._on_error(error)
        if not self._is_closed:
            self._schedule()

    def _look_after(self, now: float) -> None:
        pools = self._pools
        if self._is_opening and not any(pool.is_opening for pool in pools):
            self._is_opening = False
            for pool in pools:
                if pool.first_error is not None and not pool.has_opened:
                    raise cannot_connect(pool.target, pool.first_error)
            self._on_ready()
        self._usage.sample(sum(pool.busy for pool in pools), sum(len(pool.queue) for pool in pools))
        woken = [pool.wake_rested(now) for pool in pools]
        if any(woken):
            self._turn()
        if now < self._next_scan:
            return
        self._next_scan = now + (_SCAN_S if self._usage.connections < 1000 else 5 * _SCAN_S)
        for pool in pools:
            pool.scan(now)
        if self._is_started:
            self._turn()
        if self._is_started and not self._is_closed:
            self._look_for_the_end(now)

    def _look_for_the_end(self, now: float) -> None:
        if now > self._drain_until:
            self._give_up_queue(ReasonCode.NO_CONNECTION)
        is_over = self._cursor.stage >= len(self._plan.stages)
        if is_over and not any(pool.queue or pool.busy for pool in self._pools):
            self._on_over()
        elif now >= self._next_report or self._recorder.is_full(FULL):
            self._next_report = now + _REPORT_S
            self.report(everything=False)

    def _give_up_queue(self, code: ReasonCode) -> None:
        verdict = Verdict("unsent", Reason(code))
        for pool in self._pools:
            while pool.queue:
                due, bucket, request_id = pool.queue.popleft()
                due = due or time.monotonic()
                self._recorder.ended_badly(bucket, request_id, (due, NAN, NAN), verdict)
