"""The load engine of one worker: callbacks on gevent's loop, no greenlet per request.

One turn handles all sockets that are ready, then what has become due, then sets the alarm for the next due
time. The common case, a right answer that was seen before, is one ``recv``, one comparison and one ``send``;
everything else goes through ``_receive`` and the strict reader.
"""

from __future__ import annotations

import math
import resource
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from bench.errors import LoadError
from bench.load.arrivals import Chunk, Share, arrivals, stage_starts
from bench.load.check import Verdict
from bench.load.connection import Connection
from bench.load.plan import LoadPlan
from bench.load.poller import READ, WRITE, EpollPoller, Poller, WatcherPoller, has_epoll
from bench.load.reader import ProtocolError, Reader
from bench.load.recorder import FULL, Cell, Recorder, Wire
from bench.load.request import PreparedKind
from bench.load.timer import LoopTimer, Timer, TimerFd, has_timerfd
from bench.load.transport import Dialer, reason_of

_READ_SIZE: Final = 65_536
_BATCH: Final = 128
_TURN_S: Final = 0.002
"""How long one turn may keep gevent's loop from everything else."""
_SPIN_S: Final = 60e-6
_REPORT_S: Final = 0.5
_SCAN_S: Final = 0.05
_REST_S: Final = 0.05
"""How long a closed loop leaves a connection alone that could not be opened."""
_NEVER: Final = math.inf
_NAN: Final = math.nan


class Engine:
    """Sends one share of a plan and records every answer."""

    def __init__(
        self,
        plan: LoadPlan,
        share: Share,
        loop: Any,
        *,
        on_ready: Callable[[], None],
        on_delta: Callable[[Wire], None],
        on_done: Callable[[], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._plan = plan
        self._share = share
        self._loop = loop
        self._on_ready = on_ready
        self._on_delta = on_delta
        self._on_done = on_done
        self._on_fatal = on_fatal
        self._settings = plan.connections
        self._kinds = [PreparedKind(plan, kind) for kind in plan.requests]
        self.recorder = Recorder(plan, self._kinds)
        self._dialer = Dialer(plan)
        self._poller: Poller = EpollPoller(loop) if has_epoll() else WatcherPoller(loop)
        self._timer: Timer
        self._timer_fd = -1
        if has_timerfd() and has_epoll():
            self._timer = timer = TimerFd()
            self._timer_fd = timer.fd
            self._poller.register(timer.fd, READ | 1 << 31)
        else:
            self._timer = LoopTimer(loop, self._turn)
        size = self._settings.count
        self._slots = [Connection() for _ in range(size // share.total + (share.index < size % share.total))]
        self._by_fd: dict[int, Connection] = {}
        self._free: deque[Connection] = deque()
        self._resting: list[Connection] = []
        self._queue: deque[tuple[float, Cell, int]] = deque()
        self._arrivals = arrivals(plan, share)
        self._starts = [math.inf]
        self._held: Chunk | None = None
        self._dues: list[float] = [_NEVER]
        self._chunk_kinds: list[int] = []
        self._cells: list[Cell] = []
        self._at = 0
        self._accounted = 0
        self._first = 0
        self._chunk_stage = -1
        self._is_closed_loop = False
        self._stage = -1
        self._boundary = _NEVER
        self._drain_until = _NEVER
        self._is_started = self._is_finished = self._is_waiting = False
        self._opening = 0
        self._first_error: BaseException | None = None
        self._tick: Any = None
        self._next_scan = self._next_report = 0.0
        self._random = np.random.default_rng(plan.seed)
        self._armed = _NEVER
        self._early = 20e-6
        self._usage: tuple[float, int] | None = None
        self._told: dict[str, float] = {
            "cpu_seconds": 0.0,
            "requests": 0,
            "connects": 0,
            "reconnects": 0,
            "switches": 0,
            "in_flight_sum": 0,
            "in_flight_samples": 0,
        }

    # --- life

    def connect(self) -> None:
        """Open the connections; ``on_ready`` follows.

        Raises:
            LoadError: more connections than this process may have open files.
        """
        check_descriptors(len(self._slots))
        self._poller.start(self._turn)
        now = time.monotonic()
        self._is_waiting = True
        self._next_scan = now
        reuses = self._settings.keep_alive and self._settings.requests_per_connection != 1
        wanted = self._slots if reuses else self._slots[:1]
        self._free.extend(self._slots[len(wanted) :])
        self._opening = len(wanted)
        for slot in wanted:
            self._open(slot)
        self._schedule_tick()

    def start(self, at: float) -> None:
        """Begin the schedule at *at* on the monotonic clock."""
        self._starts = [at + start for start in stage_starts(self._plan)]
        self.recorder.begin(self._starts)
        self._is_started = True
        self._boundary = self._starts[0]
        self._next_report = at + _REPORT_S
        self._load()
        self._turn()

    def stop(self, reason: str = "stopped") -> None:
        """End the schedule now: nothing more becomes due, what is in flight has two seconds to come back."""
        if self._is_finished:
            return
        now = time.monotonic()
        self._account()
        self._dues, self._at, self._accounted, self._chunk_kinds = [_NEVER], 0, 0, []
        self._held = None
        self._arrivals.close()
        self._measure(is_measured=False)
        self._boundary = _NEVER
        self._drain_until = now
        self._stage = len(self._plan.stages)
        self._settings = self._settings.model_copy(
            update={"read_timeout_s": min(self._settings.read_timeout_s, 2.0)}
        )
        self._give_up_queue(reason)
        if not self._is_started:
            self._finish()

    def close(self) -> None:
        """Give back every descriptor."""
        self._is_finished = True
        if self._tick is not None:
            self._tick.stop()
            self._tick.close()
            self._tick = None
        for slot in self._slots:
            self._close(slot)
        self._poller.close()
        self._timer.close()

    # --- the turn

    def _turn(self) -> None:
        try:
            self._run_turn()
        except Exception as error:  # noqa: BLE001 - a callback has no caller: the run must end with this error
            self._fail(error)

    def _run_turn(self) -> None:  # noqa: C901, PLR0912, PLR0915 - one loop on purpose: each call costs 0.1 µs
        clock = time.monotonic
        poll = self._poller.poll
        by_fd = self._by_fd
        free = self._free
        queue = self._queue
        spins = self._plan.spin
        begun = now = clock()
        while not self._is_finished:
            events = poll(0, _BATCH)
            dues, at, kinds, cells = self._dues, self._at, self._chunk_kinds, self._cells
            first, step = self._first, self._share.total
            for fd, event in events:
                conn = by_fd.get(fd)
                if conn is None:
                    self._woke(clock())
                    continue
                cell = conn.cell
                if event == READ and cell is not None and not conn.slow:
                    try:
                        data = conn.recv(_READ_SIZE)
                    except BlockingIOError:
                        continue
                    except OSError as error:
                        self._broken(conn, error)
                        continue
                    done = clock()
                    kind = cell.kind
                    if data == kind.good_head + conn.ident + kind.good_tail:
                        cell.add((conn.due, conn.sent, done))
                    elif not self._receive(conn, data, done):
                        continue
                else:
                    done = clock()
                    if not self._handle(conn, event, done):
                        continue
                # The connection is open and free: give it what waits.
                if queue:
                    due, cell, sequence = queue.popleft()
                else:
                    due = dues[at]
                    if due > done:
                        conn.cell = None
                        conn.idle_since = done
                        free.append(conn)
                        continue
                    due = due or done
                    cell = cells[kinds[at]]
                    sequence = first + at * step
                    at += 1
                    if at == len(kinds):
                        self._at = at
                        self._load()
                        dues, at, kinds, cells, first = (
                            self._dues,
                            self._at,
                            self._chunk_kinds,
                            self._cells,
                            self._first,
                        )
                kind = cell.kind
                conn.cell = cell
                conn.due = due
                conn.ident = ident = kind.ident % sequence
                request = kind.head + ident + kind.tail
                cell.sent += 1
                conn.sent = clock()
                try:
                    taken = conn.send(request)
                except OSError as error:
                    self._not_sent(conn, request, error)
                else:
                    if taken != len(request):
                        self._wait_to_send(conn, request[taken:])
            self._at = at
            now = clock()
            if now >= self._boundary:
                self._cross(now)
            if self._dues[self._at] <= now and (free or not self._is_closed_loop):
                self._advance(now)
            target = min(self._dues[self._at], self._boundary) if free else self._boundary
            if events:
                if now - begun < _TURN_S:
                    continue
            elif spins and target - clock() <= _SPIN_S and now - begun < _TURN_S:
                continue
            self._alarm(target, now)
            return

    def _alarm(self, target: float, now: float) -> None:
        """Wake a little early: the rest is spun away, so that timer and scheduler latency do not add up."""
        if target == _NEVER:
            return
        at = target - self._early if self._plan.spin else target
        at = max(now, at)
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
        free = self._free
        queue = self._queue
        limit = self._settings.queue_limit
        while queue and free:
            self._give(free.popleft(), *queue.popleft())
        while True:
            at = self._at
            due = self._dues[at]
            if due > now or (self._is_closed_loop and not free):
                return
            cell = self._cells[self._chunk_kinds[at]]
            sequence = self._first + at * self._share.total
            self._at = at + 1
            if self._at == len(self._chunk_kinds):
                self._load()
            if free:
                self._give(free.popleft(), due or now, cell, sequence)
            elif len(queue) < limit:
                queue.append((due, cell, sequence))
            else:
                self.recorder.ended_badly(cell, due, _NAN, Verdict("unsent", "queue full"))

    def _give(self, conn: Connection, due: float, cell: Cell, sequence: int) -> None:
        conn.cell = cell
        conn.due = due
        conn.ident = cell.kind.ident % sequence
        conn.sent = time.monotonic()
        if conn.stream is None:
            self._open(conn)
        else:
            self._write(conn)

    def _write(self, conn: Connection) -> None:
        if conn.cell is None:
            return
        request = conn.request()
        conn.cell.sent += 1
        try:
            taken = conn.send(request)
        except OSError as error:
            self._not_sent(conn, request, error)
        else:
            if taken != len(request):
                self._wait_to_send(conn, request[taken:])

    def _not_sent(self, conn: Connection, request: bytes, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            self._wait_to_send(conn, request)
        else:
            self._broken(conn, error)

    def _wait_to_send(self, conn: Connection, rest: bytes) -> None:
        conn.out = rest
        conn.slow = True
        self._poller.modify(conn.fd, READ | WRITE)

    # --- the schedule

    def _account(self) -> None:
        """Count as due what the schedule has handed out, independently of what became of it."""
        kinds = self._chunk_kinds[self._accounted : self._at]
        if kinds:
            for index, count in enumerate(np.bincount(kinds, minlength=len(self._kinds)).tolist()):
                self._cells[index].due += count
            self._accounted = self._at

    def _load(self, *, leave_stage: bool = False) -> None:
        """Go on to the next chunk of the schedule."""
        self._account()
        try:
            chunk = self._arrivals.send(True) if leave_stage else next(self._arrivals)
        except StopIteration:
            self._dues, self._at, self._accounted, self._chunk_kinds = [_NEVER], 0, 0, []
            self._is_closed_loop = False
            return
        if chunk.is_closed and chunk.stage != self._stage:
            self._held = chunk
            self._dues, self._at, self._accounted, self._chunk_kinds = [_NEVER], 0, 0, []
            self._is_closed_loop = False
            return
        self._install(chunk)

    def _install(self, chunk: Chunk) -> None:
        zero = self._starts[0]
        if chunk.is_closed:
            self._dues = chunk.due
        else:
            self._dues = [zero + due for due in chunk.due]
        self._dues.append(_NEVER)
        self._chunk_kinds = chunk.kinds
        self._cells = self.recorder.cells[chunk.stage]
        self._first = chunk.first
        self._chunk_stage = chunk.stage
        self._at = self._accounted = 0
        self._is_closed_loop = chunk.is_closed

    def _cross(self, now: float) -> None:
        """One stage is over, or the next begins, or both."""
        while now >= self._boundary:
            self._stage += 1
            stages = self._plan.stages
            is_over = self._stage >= len(stages)
            self._measure(is_measured=not is_over and stages[self._stage].kind == "measure")
            if self._is_closed_loop and self._chunk_stage < self._stage:
                self._load(leave_stage=True)
            if is_over:
                self._boundary = _NEVER
                self._drain_until = now + self._plan.drain_s
                return
            self._boundary = self._starts[self._stage + 1]
            if self._held is not None and self._held.stage == self._stage:
                held, self._held = self._held, None
                self._install(held)
                self._spread(now)

    def _spread(self, now: float) -> None:
        """Let the connections of a closed loop begin one after the other, not all in one burst."""
        apart = min(0.01, self._plan.stages[self._stage].duration_s / 10) / max(1, len(self._free))
        for number in range(len(self._free)):
            conn = self._free.popleft()
            conn.rests_until = now + number * apart
            self._resting.append(conn)
        self._wake_rested(now)

    def _measure(self, *, is_measured: bool) -> None:
        """Add up CPU time and context switches of the measured stages."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        now = (usage.ru_utime + usage.ru_stime, usage.ru_nivcsw)
        if self._usage is not None:
            self._told["cpu_seconds"] += now[0] - self._usage[0]
            self._told["switches"] += now[1] - self._usage[1]
        self._usage = now if is_measured else None

    # --- connections

    def _open(self, conn: Connection) -> None:
        now = time.monotonic()
        try:
            stream = self._dialer.open()
        except OSError as error:
            self._not_opened(conn, error)
            return
        conn.attach(stream, now)
        self._by_fd[conn.fd] = conn
        self._poller.register(conn.fd, WRITE)

    def _not_opened(self, conn: Connection, error: BaseException) -> None:
        self._first_error = self._first_error or error
        self._close(conn)
        cell, conn.cell = conn.cell, None
        if cell is None:
            self._opening -= 1
            self._free.append(conn)
            return
        self.recorder.ended_badly(cell, conn.due, _NAN, Verdict("unsent", reason_of(error)))
        if self._is_closed_loop:
            conn.rests_until = time.monotonic() + _REST_S
            self._resting.append(conn)
        else:
            self._free.append(conn)

    def _close(self, conn: Connection) -> None:
        if conn.fd >= 0:
            self._by_fd.pop(conn.fd, None)
            self._poller.unregister(conn.fd)
        conn.detach()

    def _establish(self, conn: Connection, now: float) -> bool:
        """Go on with connecting; True when the connection is open and free."""
        if conn.stream is None:
            return False
        try:
            if not conn.stream.established():
                self._poller.modify(conn.fd, READ)
                return False
        except OSError as error:
            self._not_opened(conn, error)
            return False
        self._told["connects"] += 1
        if conn.opened:
            self._told["reconnects"] += 1
        conn.opened += 1
        self.recorder.connected(now - conn.opening_since)
        conn.is_open = True
        self._poller.modify(conn.fd, READ)
        limit = self._settings.requests_per_connection
        conn.left = 1 if not self._settings.keep_alive else (limit or 0)
        conn.slow = conn.left > 0
        conn.idle_since = now
        if conn.cell is None:
            self._opening -= 1
            return True
        self._write(conn)
        return False

    def _handle(self, conn: Connection, event: int, now: float) -> bool:
        """What is not the common case; True when the connection is open and free."""
        if not conn.is_open:
            return self._establish(conn, now)
        if event & WRITE and conn.out:
            self._flush(conn)
            if event == WRITE or conn.stream is None:
                return False
        try:
            data = conn.recv(_READ_SIZE)
        except BlockingIOError:
            return False
        except OSError as error:
            self._broken(conn, error)
            return False
        if conn.cell is None:
            # The server closed an idle connection, or said something that nobody asked for.
            self._close(conn)
            return False
        return self._receive(conn, data, now)

    def _flush(self, conn: Connection) -> None:
        try:
            taken = conn.send(conn.out)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(conn, error)
            return
        conn.out = conn.out[taken:]
        if not conn.out:
            self._poller.modify(conn.fd, READ)
            conn.slow = conn.left > 0 or conn.reader is not None

    def _receive(self, conn: Connection, data: bytes, now: float) -> bool:
        """Take a piece of an answer (empty: the peer closed); True when the connection is open and free."""
        cell = conn.cell
        if cell is None:
            return False
        kind: PreparedKind = cell.kind
        reader = conn.reader
        is_whole = reader is None
        if reader is None:
            if data and kind.recognises(data, conn.ident):
                cell.add((conn.due, conn.sent, now))
                return self._settle(conn, keep=True)
            conn.body = kind.check.listener()
            conn.reader = reader = Reader(head=kind.check.head, listener=conn.body)
            conn.slow = True
        conn.keep(data)
        try:
            if not data and not reader.finish():
                self._broken(conn, ConnectionError("connection closed before the answer"))
                return False
            if data and not reader.feed(data):
                return False
        except ProtocolError as error:
            self._end(conn, Verdict("failed", str(error)))
            return False
        verdict = kind.check.judge(reader, conn.body, conn.ident)
        if verdict is None:
            cell.add((conn.due, conn.sent, now))
            if is_whole and reader.keep_alive and not reader.informational and not conn.out:
                kind.learn(data, conn.ident)
        else:
            self.recorder.ended_badly(
                cell, conn.due, conn.sent, verdict, request=conn.request(), response=bytes(conn.received)
            )
        return self._settle(conn, keep=reader.keep_alive and not reader.leftover and not conn.out)

    def _settle(self, conn: Connection, *, keep: bool) -> bool:
        """The answer is complete; True when the connection stays open."""
        conn.reader = conn.body = None
        conn.received.clear()
        if conn.left:
            conn.left -= 1
            keep = keep and conn.left > 0
        conn.slow = conn.left > 0
        if keep:
            return True
        conn.cell = None
        self._close(conn)
        self._free.append(conn)
        return False

    def _broken(self, conn: Connection, error: OSError) -> None:
        """The connection failed; the request on it, if any, fails with it."""
        if conn.cell is None:
            self._close(conn)
            return
        reason = str(error) if type(error) is ConnectionError else reason_of(error)
        if conn.received:
            reason += " in the middle of the answer"
        self._end(conn, Verdict("failed", reason))

    def _end(self, conn: Connection, verdict: Verdict) -> None:
        """The request on *conn* failed, and the connection is of no more use."""
        cell = conn.cell
        if cell is not None:
            self.recorder.ended_badly(
                cell, conn.due, conn.sent, verdict, request=conn.request(), response=bytes(conn.received)
            )
        conn.cell = None
        self._close(conn)
        self._free.append(conn)

    # --- housekeeping

    def _schedule_tick(self) -> None:
        # At random distances, so that samples of what is in flight do not lock into the schedule's phase.
        self._tick = self._loop.timer(float(self._random.uniform(0.005, 0.015)))
        self._tick.start(self._ticked)

    def _ticked(self) -> None:
        self._tick.close()
        self._tick = None
        if self._is_finished:
            return
        try:
            self._housekeep(time.monotonic())
        except Exception as error:  # noqa: BLE001 - a callback has no caller: the run must end with this error
            self._fail(error)
            return
        if not self._is_finished:
            self._schedule_tick()

    def _housekeep(self, now: float) -> None:  # noqa: C901 - split below
        if self._is_waiting and self._opening <= 0:
            self._is_waiting = False
            if not self._told["connects"] and self._first_error is not None:
                raise cannot_connect(self._plan, self._first_error)
            self._on_ready()
        if self._usage is not None:
            self._told["in_flight_samples"] += 1
            self._told["in_flight_sum"] += len(self._slots) - len(self._free) - len(self._resting)
        if now >= self._next_scan:
            self._next_scan = now + (_SCAN_S if len(self._slots) < 1000 else 0.25)
            self._scan(now)
        if self._resting:
            self._wake_rested(now)
        if not self._is_started:
            return
        self._turn()
        if self._is_finished:
            return
        if now > self._drain_until and self._queue:
            self._give_up_queue("still waiting for a connection at the end")
        is_over = self._stage >= len(self._plan.stages)
        if is_over and not self._queue and len(self._free) + len(self._resting) == len(self._slots):
            self._finish()
        elif now >= self._next_report or any(
            len(cell.clocks) >= FULL for cells in self.recorder.cells for cell in cells
        ):
            self._next_report = now + _REPORT_S
            self._report()

    def _scan(self, now: float) -> None:
        """Time out what takes too long, close what idles too long."""
        settings = self._settings
        for conn in self._slots:
            if conn.stream is None:
                continue
            if not conn.is_open:
                if now - conn.opening_since > settings.connect_timeout_s:
                    self._not_opened(conn, TimeoutError())
            elif conn.cell is not None:
                if now - conn.sent > settings.read_timeout_s:
                    self._end(conn, Verdict("failed", "timeout"))
            elif settings.idle_timeout_s is not None and now - conn.idle_since > settings.idle_timeout_s:
                self._close(conn)

    def _wake_rested(self, now: float) -> None:
        rested = [conn for conn in self._resting if conn.rests_until <= now]
        self._resting = [conn for conn in self._resting if conn.rests_until > now]
        self._free.extend(rested)

    def _give_up_queue(self, reason: str) -> None:
        while self._queue:
            due, cell, _ = self._queue.popleft()
            self.recorder.ended_badly(cell, due, _NAN, Verdict("unsent", reason))

    def _report(self) -> None:
        self._account()
        delta = self.recorder.take()
        measured = {number for number, stage in enumerate(self._plan.stages) if stage.kind == "measure"}
        self._told["requests"] += sum(wire["sent"] for wire in delta["cells"] if wire["stage"] in measured)
        delta["generator"] = dict(self._told)
        self._on_delta(delta)

    def _finish(self) -> None:
        if self._is_finished:
            return
        self._report()
        self.close()
        self._on_done()

    def _fail(self, error: BaseException) -> None:
        if not self._is_finished:
            self.close()
            self._on_fatal(error)


def check_descriptors(connections: int) -> None:
    """Make room for so many connections.

    Raises:
        LoadError: the limit of open files is too low and cannot be raised.
    """
    needed = connections + 128
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise LoadError(
            f"{connections} connections need {needed} open files; this process may have {hard} (hard limit).",
            remedy=f"Raise it with `ulimit -n {needed}`, use fewer connections, or more workers.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def cannot_connect(plan: LoadPlan, error: BaseException) -> LoadError:
    """The error for a target to which not one connection could be opened."""
    target = f"{plan.target.address}:{plan.target.port}"
    reason = reason_of(error)
    if reason.startswith("TLS"):
        remedy = "Check the server name, the CA, and the client certificate."
    else:
        remedy = "Start the target first, or check address and port."
    return LoadError(f"cannot connect to {target}: {reason}.", remedy=remedy)
