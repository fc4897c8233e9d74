"""The load engine of one worker: callbacks on an event loop, no task per request.

In an open loop one turn handles all sockets that are ready, then what has become due, then sets the alarm for
the next due time. In a closed loop the event loop calls for each answer. Either way the common case, a right
answer that was seen before, is one ``recv``, one comparison and one ``send``; everything else goes through
the pool and the strict reader.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any, Final

from bench.load.engine.alarm import MOST_EARLY_S, NEVER, Alarm
from bench.load.engine.arrivals import Share
from bench.load.engine.bodies import Bodies
from bench.load.engine.check import Verdict
from bench.load.engine.connection import Connection
from bench.load.engine.cursor import Cursor
from bench.load.engine.host import Host
from bench.load.engine.housekeeping import Housekeeping
from bench.load.engine.poller import READ, EpollPoller, WatcherPoller
from bench.load.engine.pool import NAN, READ_SIZE, Pool
from bench.load.engine.pools import pools_of
from bench.load.engine.recorder import Bucket, Recorder
from bench.load.engine.request import PreparedKind
from bench.load.engine.usage import GeneratorUsage
from bench.load.messages import Delta
from bench.load.plan import LoadPlan
from bench.result.reasons import Reason, ReasonCode

_BATCH: Final = 128
_TURN_S: Final = 0.002
"""How long one turn may keep the event loop from everything else."""
_SPIN_SHARE: Final = 0.1
"""Part of its time that the engine may spend on polling for nothing."""
_SPIN_CREDIT_S: Final = 0.002
_QUEUE_FULL: Final = Verdict("unsent", Reason(ReasonCode.QUEUE_FULL))
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
        self._alarm = Alarm(self._epoll, host.loop, self._turn)
        self._housekeeping = Housekeeping(
            plan,
            host.loop,
            self._pools,
            (self._cursor, self._recorder, self._usage),
            turn=self._run_turn,
            on_ready=on_ready,
            on_delta=on_delta,
            on_over=self._finish,
            on_error=self._fail,
        )
        self._boundary = NEVER
        """When the next stage begins, or the last one ends."""
        self._is_started = self._is_finished = False
        self._turned_at = time.monotonic()
        self._spin_credit = _SPIN_CREDIT_S if plan.spin else -NEVER

    # --- life

    def connect(self) -> None:
        """Open the connections; ``on_ready`` follows.

        Raises:
            LoadError: more connections than this process may have open files.
        """
        self._housekeeping.open()

    def start(self, at: float) -> None:
        """Begin the schedule at *at* on the monotonic clock."""
        self._cursor.begin(self._plan, at)
        self._is_started = True
        self._boundary = at
        self._housekeeping.start(at)
        self._turn()

    def stop(self) -> None:
        """End the schedule now: nothing more becomes due, what is in flight has two seconds to come back."""
        if self._is_finished:
            return
        self._cursor.halt()
        self._cursor.stage = len(self._plan.stages)
        self._usage.cross(self._cursor.stage)
        self._boundary = NEVER
        self._housekeeping.stop()
        if not self._is_started:
            self._finish()

    def close(self) -> None:
        """Give back every descriptor."""
        if self._is_finished:
            return
        self._is_finished = True
        self._housekeeping.close()
        self._watchers.close()
        if self._epoll is not None:
            self._epoll.close()
        self._alarm.close()

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
                    self._alarm.rang(clock())
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
            elif credit > 0 and target - now <= MOST_EARLY_S and now - begun < _TURN_S:
                credit -= now - earlier
                continue
            self._spin_credit = credit
            self._alarm.arm(target, now, credit > 0)
            return

    def _ready(self, conn: Connection, event: int) -> None:
        """A watcher's call."""
        try:
            self._serve(conn, event)
            if self._free and not self._is_finished:
                self._run_turn()
        except Exception as error:  # noqa: BLE001 - a callback has no caller: the run ends with this error
            self._fail(error)

    def _serve(self, conn: Connection, event: int) -> None:  # noqa: C901 - each call costs every answer
        """Take what *conn* has to report; if that leaves it open and free, give it what waits."""
        bucket = conn.bucket
        pool = conn.pool
        if event != READ or bucket is None or conn.slow:
            done = _clock()
            if not pool.handle(conn, event, done):
                return
        else:
            try:
                data = conn.recv(READ_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                pool.broken(conn, error)
                return
            done = _clock()
            kind = bucket.kind
            rest = kind.rests.get(data[kind.cut])
            if rest is not None and data == kind.good_head + conn.request_id + rest:
                bucket.add((conn.due, conn.free_at, conn.sent, done))
                if bucket.by_node is not None:
                    bucket.by_node[rest.node] += 1
            elif not pool.receive(conn, bucket, data, done):
                return
        free = pool.free
        if pool.queue:
            due, bucket, request_id = pool.queue.popleft()
        else:
            cursor = self._cursor
            at = cursor.at
            due = cursor.due[at]
            if due > done or not self._is_single:
                # Nothing yet, or it may be another pool's.
                conn.bucket = None
                conn.idle_since = done
                free.append(conn)
                return
            bucket = cursor.buckets[at]
            request_id = cursor.request_ids[at]
            cursor.at = at = at + 1
            if at == cursor.end:
                cursor.load()
        due = due or done
        self._give(conn, due, done if not free else max(due, free[0].idle_since), bucket, request_id)

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
                self._recorder.ended_badly(bucket, request_id, (due, NAN, NAN), _QUEUE_FULL)

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
                self._boundary = NEVER
                self._housekeeping.drain(now + self._plan.drain_s)
                return
            self._boundary = cursor.starts[stage + 1]
            if begins_closed:
                for pool in self._pools:
                    pool.spread(now, min(0.01, self._plan.stages[stage].duration_s / 10))

    # --- the end

    def _finish(self) -> None:
        if self._is_finished:
            return
        self._housekeeping.report()
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


def _nothing(_timeout: float, _maximum: int) -> list[tuple[int, int]]:
    """What a system without epoll has to poll: its watchers call by themselves."""
    return []
