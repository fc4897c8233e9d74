"""The load engine of one worker: callbacks on an event loop, no task per request.

In an open loop one turn handles all sockets that are ready, then what has become due, then sets the alarm for
the next due time. In a closed loop the event loop calls for each answer. Either way the common case, a right
answer that was seen before, is one ``recv``, one comparison and one ``send``; everything else goes through
the pool and the strict reader.
"""

from __future__ import annotations

import math
import random
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

from bench.load.engine.arrivals import Share
from bench.load.engine.bodies import Bodies
from bench.load.engine.check import Verdict
from bench.load.engine.connection import Connection
from bench.load.engine.cursor import Cursor
from bench.load.engine.host import Host
from bench.load.engine.limits import cannot_connect, check_descriptors
from bench.load.engine.poller import EDGE, READ, EpollPoller, WatcherPoller
from bench.load.engine.pool import NAN, READ_SIZE, Pool
from bench.load.engine.pools import pools_of
from bench.load.engine.recorder import FULL, Bucket, Recorder
from bench.load.engine.request import PreparedKind
from bench.load.engine.timer import LoopTimer, Timer, TimerFd, has_timerfd
from bench.load.engine.usage import GeneratorUsage
from bench.load.messages import Delta
from bench.load.plan import LoadPlan
from bench.result.reasons import Reason, ReasonCode

_BATCH: Final = 128
_TURN_S: Final = 0.002
"""How long one turn may keep the event loop from everything else."""
_SPIN_S: Final = 60e-6
"""Nothing to do and a request due so soon: polling beats sleeping, as long as there is credit."""
_SPIN_SHARE: Final = 0.1
"""Part of its time that the engine may spend on polling for nothing."""
_SPIN_CREDIT_S: Final = 0.002
_REPORT_S: Final = 0.5
_SCAN_S: Final = 0.05
_LAST_WAIT_S: Final = 2.0
"""How long answers are awaited after a stop."""
_NEVER: Final = math.inf
_clock: Final = time.monotonic


class Engine:
    """Sends one share of a plan and records every answer."""

    def __init__(
        self,
        plan: LoadPlan,
        share: Share,
        host: Host,
        *,
        on_ready: Callable[[], None],
        on_delta: Callable[[Delta], None],
        on_done: Callable[[], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._plan = plan
        self._loop = host.loop
        self._on_ready = on_ready
        self._on_delta = on_delta
        self._on_done = on_done
        self._on_fatal = on_fatal
        bodies = Bodies()
        kinds = [PreparedKind(plan, kind, bodies) for kind in plan.requests]
        self._recorder = Recorder(plan, kinds)
        self._cursor = Cursor(plan, share, self._recorder)
        self._usage = GeneratorUsage(plan)
        self._watchers = WatcherPoller(host.loop, self._ready)
        self._epoll = EpollPoller(host.loop, host.new_epoll(), self._turn) if host.new_epoll else None
        poller = self._epoll or self._watchers
        self._pools, self._by_fd, self._stirred = pools_of(
            plan, share, poller, self._recorder, self._usage, kinds
        )
        self._free: Any = self._pools[0].free if len(self._pools) == 1 else _Free(self._pools)
        """Whether there is a free connection."""
        self._is_single = len(self._pools) == 1
        self._timer: Timer = self._make_timer()
        self._boundary = _NEVER
        """When the next stage begins, or the last one ends."""
        self._drain_until = _NEVER
        self._is_started = self._is_finished = self._is_waiting = False
        self._tick: Any = None
        self._next_scan = self._next_report = 0.0
        self._random = random.Random(plan.seed)  # noqa: S311 - when to take a sample
        self._armed = _NEVER
        self._early = 20e-6
        """How late alarms have been lately, s."""
        self._turned_at = time.monotonic()
        self._spin_credit = _SPIN_CREDIT_S if plan.spin else -_NEVER

    def _make_timer(self) -> Timer:
        if self._epoll is None or not has_timerfd():
            return LoopTimer(self._loop, self._turn)
        timer = TimerFd()
        self._epoll.watch(timer.fd, READ | EDGE)
        return timer

    # --- life

    def connect(self) -> None:
        """Open the connections; ``on_ready`` follows.

        Raises:
            LoadError: more connections than this process may have open files.
        """
        check_descriptors(self._usage.connections)
        self._is_waiting = True
        for pool in self._pools:
            pool.open_all()
        self._schedule_tick()

    def start(self, at: float) -> None:
        """Begin the schedule at *at* on the monotonic clock."""
        self._cursor.begin(self._plan, at)
        self._is_started = True
        self._boundary = at
        self._next_report = at + _REPORT_S
        self._turn()

    def stop(self) -> None:
        """End the schedule now: nothing more becomes due, what is in flight has two seconds to come back."""
        if self._is_finished:
            return
        self._cursor.halt()
        self._cursor.stage = len(self._plan.stages)
        self._usage.cross(self._cursor.stage)
        self._boundary = _NEVER
        self._drain_until = time.monotonic()
        for pool in self._pools:
            pool.hurry(_LAST_WAIT_S)
        self._give_up_queue(ReasonCode.STOPPED)
        if not self._is_started:
            self._finish()

    def close(self) -> None:
        """Give back every descriptor."""
        if self._is_finished:
            return
        self._is_finished = True
        if self._tick is not None:
            self._tick.stop()
            self._tick.close()
            self._tick = None
        for pool in self._pools:
            for slot in pool.slots:
                pool.close(slot)
        self._watchers.close()
        if self._epoll is not None:
            self._epoll.close()
        self._timer.close()

    # --- the turn

    def _turn(self) -> None:
        try:
            self._run_turn()
        except Exception as error:  # noqa: BLE001 - a callback has no caller: the run ends with this error
            self._fail(error)

    def _run_turn(self) -> None:
        clock = time.monotonic
        poll = self._epoll.poll if self._epoll is not None else _nothing
        serve, by_fd = self._serve, self._by_fd
        cursor, stirred, free = self._cursor, self._stirred, self._free
        begun = now = clock()
        credit = min(_SPIN_CREDIT_S, self._spin_credit + (begun - self._turned_at) * _SPIN_SHARE)
        self._turned_at = begun
        while not self._is_finished:
            events = poll(0, _BATCH)
            for fd, event in events:
                conn = by_fd.get(fd)
                if conn is None:
                    self._woke(clock())
                else:
                    serve(conn, event)
            earlier, now = now, clock()
            if now >= self._boundary:
                self._cross(now)
            if stirred or (cursor.due[cursor.at] <= now and (free or not cursor.is_closed_loop)):
                self._advance(now)
            target = min(cursor.due[cursor.at], self._boundary) if free else self._boundary
            if events:
                if now - begun < _TURN_S:
                    continue
            elif credit > 0 and target - now <= _SPIN_S and now - begun < _TURN_S:
                credit -= now - earlier
                continue
            self._spin_credit = credit
            self._alarm(target, now)
            return

    def _ready(self, conn: Connection, event: int) -> None:
        """A watcher's call."""
        try:
            self._serve(conn, event)
            if self._free and not self._is_finished:
                self._run_turn()
        except Exception as error:  # noqa: BLE001 - a callback has no caller: the run ends with this error
            self._fail(error)

    def _serve(self, conn: Connection, event: int) -> None:
        """Take what *conn* has to report; if that leaves it open and free, give it what waits."""
        done = self._take(conn, event)
        if done is None:
            return
        pool = conn.pool
        free = pool.free
        if pool.queue:
            due, bucket, request_id = pool.queue.popleft()
            due = due or done
        elif not self._is_single:
            # The next request may be another pool's.
            conn.bucket = None
            conn.idle_since = done
            free.append(conn)
            return
        else:
            cursor = self._cursor
            at = cursor.at
            due = cursor.due[at]
            if due > done:
                conn.bucket = None
                conn.idle_since = done
                free.append(conn)
                return
            due = due or done
            bucket = cursor.buckets[at]
            request_id = cursor.request_ids[at]
            cursor.at = at = at + 1
            if at == cursor.end:
                cursor.load()
        self._give(conn, due, done if not free else max(due, free[0].idle_since), bucket, request_id)

    def _take(self, conn: Connection, event: int) -> float | None:
        """When the answer of *conn* was there, if it is open and free now."""
        bucket = conn.bucket
        if event != READ or bucket is None or conn.slow:
            now = _clock()
            return now if conn.pool.handle(conn, event, now) else None
        recv = conn.recv
        try:
            data = recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError as error:
            conn.pool.broken(conn, error)
            return None
        done = _clock()
        kind = bucket.kind
        rest = kind.rests.get(data[kind.cut])
        if rest is not None and data == kind.good_head + conn.request_id + rest:
            add = bucket.add
            add((conn.due, conn.free_at, conn.sent, done))
            if bucket.by_node is not None:
                bucket.by_node[rest.node] += 1
            return done
        return done if conn.pool.receive(conn, bucket, data, done) else None

    def _alarm(self, target: float, now: float) -> None:
        """Wake a little early: the rest is spun away, so that timer and scheduler latency do not add up."""
        if target == _NEVER:
            return
        at = max(now, target - self._early if self._spin_credit > 0 else target)
        if at != self._armed:
            self._armed = at
            self._timer.arm(at)

    def _woke(self, now: float) -> None:
        late = now - self._armed
        self._armed = _NEVER
        if 0 <= late < 0.001:
            self._early = min(_SPIN_S, self._early + (late - self._early) / 16)

    def _advance(self, now: float) -> None:
        """Everything that is due goes onto a free connection, or into the queue, or is unsent."""
        cursor, stirred = self._cursor, self._stirred
        limit = self._plan.connections.queue_limit
        while stirred:
            pool = stirred.pop()
            while pool.queue and pool.free:
                due, bucket, request_id = pool.queue.popleft()
                self._give_next(pool, due or now, bucket, request_id)
        while True:
            at = cursor.at
            due = cursor.due[at]
            if due > now or (cursor.is_closed_loop and not self._may_go_on()):
                return
            bucket = cursor.buckets[at]
            request_id = cursor.request_ids[at]
            cursor.at = at + 1
            if cursor.at == cursor.end:
                cursor.load()
            pool = bucket.kind.pool
            if pool.free:
                self._give_next(pool, due or now, bucket, request_id)
            elif len(pool.queue) < limit:
                pool.queue.append((due, bucket, request_id))
            else:
                self._recorder.ended_badly(
                    bucket, request_id, (due, NAN, NAN), _unsent(ReasonCode.QUEUE_FULL)
                )

    def _may_go_on(self) -> bool:
        """Whether a closed loop takes its next request: somebody is free, and not too many wait for others.

        Connections to different targets share one sequence of requests, so that its mix is kept.
        """
        return bool(self._free) and (
            self._is_single or sum(len(pool.queue) for pool in self._pools) < self._usage.connections
        )

    def _give_next(self, pool: Pool, due: float, bucket: Bucket, request_id: bytes) -> None:
        """Onto the connection that has been free for longest: had it one when it was due?"""
        conn = pool.free.popleft()
        self._give(conn, due, max(due, conn.idle_since), bucket, request_id)

    def _give(self, conn: Connection, due: float, free_at: float, bucket: Bucket, request_id: bytes) -> None:
        conn.bucket = bucket
        conn.due = due
        conn.free_at = free_at
        conn.request_id = request_id
        conn.sent = _clock()
        if conn.stream is None:
            conn.pool.open(conn)
        else:
            conn.pool.write(conn, bucket)

    def _cross(self, now: float) -> None:
        """One stage is over, or the next begins, or both."""
        cursor = self._cursor
        while now >= self._boundary:
            stage = cursor.stage + 1
            begins_closed = cursor.enter(stage)
            self._usage.cross(stage)
            poller = self._watchers if cursor.is_closed_loop or self._epoll is None else self._epoll
            for pool in self._pools:
                pool.is_closed_loop = cursor.is_closed_loop
                pool.use(poller)
            if stage >= len(self._plan.stages):
                self._boundary = _NEVER
                self._drain_until = now + self._plan.drain_s
                return
            self._boundary = cursor.starts[stage + 1]
            if begins_closed:
                for pool in self._pools:
                    pool.spread(now, min(0.01, self._plan.stages[stage].duration_s / 10))

    # --- housekeeping

    def _schedule_tick(self) -> None:
        # At random distances, so that samples of what is in flight do not lock into the schedule's phase.
        self._tick = self._loop.timer(self._random.uniform(0.02, 0.06))
        self._tick.start(self._ticked)

    def _ticked(self) -> None:
        self._tick.close()
        self._tick = None
        try:
            self._housekeep(time.monotonic())
        except Exception as error:  # noqa: BLE001 - a callback has no caller: the run ends with this error
            self._fail(error)
        if not self._is_finished:
            self._schedule_tick()

    def _housekeep(self, now: float) -> None:
        pools = self._pools
        if self._is_waiting and not any(pool.is_opening for pool in pools):
            self._is_waiting = False
            for pool in pools:
                if pool.first_error is not None and not pool.has_opened:
                    raise cannot_connect(pool.target, pool.first_error)
            self._on_ready()
        self._usage.sample(sum(pool.busy for pool in pools), sum(len(pool.queue) for pool in pools))
        woken = [pool.wake_rested(now) for pool in pools]
        if any(woken):
            self._run_turn()
        if now < self._next_scan:
            return
        self._next_scan = now + (_SCAN_S if self._usage.connections < 1000 else 5 * _SCAN_S)
        for pool in pools:
            pool.scan(now)
        if self._is_started:
            self._run_turn()
        if self._is_started and not self._is_finished:
            self._look_for_the_end(now)

    def _look_for_the_end(self, now: float) -> None:
        if now > self._drain_until:
            self._give_up_queue(ReasonCode.NO_CONNECTION)
        is_over = self._cursor.stage >= len(self._plan.stages)
        if is_over and not any(pool.queue or pool.busy for pool in self._pools):
            self._finish()
        elif now >= self._next_report or self._recorder.is_full(FULL):
            self._next_report = now + _REPORT_S
            self._report(everything=False)

    def _give_up_queue(self, code: ReasonCode) -> None:
        for pool in self._pools:
            while pool.queue:
                due, bucket, request_id = pool.queue.popleft()
                due = due or time.monotonic()
                self._recorder.ended_badly(bucket, request_id, (due, NAN, NAN), _unsent(code))

    def _report(self, *, everything: bool = True) -> None:
        self._cursor.account()
        delta = self._recorder.take(everything=everything)
        self._on_delta(delta.model_copy(update={"usage": self._usage.so_far(delta.buckets)}))

    def _finish(self) -> None:
        if self._is_finished:
            return
        self._report()
        self.close()
        self._on_done()

    def _fail(self, error: BaseException) -> None:
        if self._is_finished:
            # Too late for the run, not for whoever reads the log.
            traceback.print_exception(error)
            return
        self.close()
        self._on_fatal(error)


class _Free:
    """True while any pool has a free connection."""

    def __init__(self, pools: list[Pool]) -> None:
        self._queues = [pool.free for pool in pools]

    def __bool__(self) -> bool:
        return any(self._queues)


def _unsent(code: ReasonCode) -> Verdict:
    return Verdict("unsent", Reason(code))


def _nothing(_timeout: float, _maximum: int) -> list[tuple[int, int]]:
    """What a system without epoll has to poll: its watchers call by themselves."""
    return []
