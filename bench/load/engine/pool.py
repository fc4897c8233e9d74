"""The connections of one worker to one target: opening, reading, closing, and timing out.

A slot is in ``free`` (idle, or closed and to be opened by its next request), in ``resting`` (a closed loop
leaves it alone for a moment), still opening for the first time, or busy with one request.
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Final

from bench.load.engine.check import Verdict
from bench.load.engine.connection import Connection
from bench.load.engine.lanes import Lane
from bench.load.engine.poller import READ, WRITE, Poller
from bench.load.engine.reader import ProtocolError
from bench.load.engine.recorder import Bucket, Recorder
from bench.load.engine.request import PreparedKind
from bench.load.engine.transport import Dialer, broken_before_answer, broken_in_answer, not_connected
from bench.load.engine.usage import GeneratorUsage
from bench.load.plan import LoadPlan
from bench.result.reasons import Reason, ReasonCode

READ_SIZE: Final = 65_536
BULK_SIZE: Final = 262_144
"""In the middle of a large body."""
NAN: Final = math.nan
_REST_S: Final = 0.05
"""How long a closed loop leaves a connection alone that could not be opened."""


class Pool:
    """One worker's share of the connections of a lane, which speak HTTP/1.1; calls end in ``Recorder``."""

    def __init__(
        self,
        plan: LoadPlan,
        lane: Lane,
        poller: Poller,
        recorder: Recorder,
        usage: GeneratorUsage,
        *,
        by_fd: dict[int, Connection],
        stirred: list[Pool],
    ) -> None:
        self._settings = plan.connections
        self._poller = poller
        self._recorder = recorder
        self._usage = usage
        self.target: Final = lane.target
        self._dialer = Dialer(lane.target)
        self._read_timeout_s = plan.connections.read_timeout_s
        self._id_header = plan.id_header.lower().encode("latin-1")
        self.slots = [Connection(self) for _ in range(lane.size)]
        usage.connections += len(self.slots)
        self.by_fd = by_fd
        """Of all pools of the worker."""
        self.free: deque[Connection] = deque()
        self.queue: deque[tuple[float, Bucket, bytes]] = deque()
        """Requests that wait for a connection."""
        self._stirred = stirred
        """Pools that got a free connection by another way than an answer: their queue may go on."""
        self._resting: list[Connection] = []
        self._opening = 0
        self.first_error: BaseException | None = None
        self.has_opened = False
        """Whether a connection has ever been there."""
        self.is_closed_loop = False

    @property
    def is_opening(self) -> bool:
        """Whether the first connections are still on their way."""
        return self._opening > 0

    @property
    def busy(self) -> int:
        """Requests that have a connection."""
        return len(self.slots) - len(self.free) - len(self._resting)

    # --- opening and closing

    def open_all(self) -> None:
        """Open the connections; only one, as a probe, if each serves a single request."""
        reuses = self._settings.keep_alive and self._settings.requests_per_connection != 1
        wanted = self.slots if reuses else self.slots[:1]
        self.free.extend(self.slots[len(wanted) :])
        self._opening = len(wanted)
        for slot in wanted:
            self.open(slot)

    def open(self, conn: Connection) -> None:
        """Begin to connect."""
        now = time.monotonic()
        try:
            stream = self._dialer.open()
        except OSError as error:
            self._not_opened(conn, error)
            return
        conn.attach(stream, now)
        self.by_fd[conn.fd] = conn
        conn.watched = WRITE
        self._poller.register(conn, WRITE)

    def close(self, conn: Connection) -> None:
        """Close; the slot stays where it is."""
        if conn.fd >= 0:
            self.by_fd.pop(conn.fd, None)
            self._poller.unregister(conn)
        conn.detach()

    def use(self, poller: Poller) -> None:
        """Let *poller* report from now on which connections are ready."""
        if poller is self._poller:
            return
        for conn in self.slots:
            if conn.fd >= 0:
                self._poller.unregister(conn)
                poller.register(conn, conn.watched)
        self._poller = poller

    def _watch(self, conn: Connection, events: int) -> None:
        conn.watched = events
        self._poller.modify(conn, events)

    def _not_opened(self, conn: Connection, error: BaseException) -> None:
        self.first_error = self.first_error or error
        self.close(conn)
        bucket, conn.bucket = conn.bucket, None
        if bucket is None:
            self._opening -= 1
            self._set_free(conn)
            return
        verdict = Verdict("unsent", not_connected(error))
        self._recorder.ended_badly(bucket, conn.request_id, (conn.due, NAN, NAN), verdict)
        if self.is_closed_loop:
            self._rest(conn, time.monotonic() + _REST_S)
        else:
            self._set_free(conn)

    def _set_free(self, conn: Connection) -> None:
        conn.idle_since = time.monotonic()
        self.free.append(conn)
        self._stirred.append(self)

    def _establish(self, conn: Connection, now: float) -> bool:
        """Go on with connecting; True when the connection is open and free."""
        if conn.stream is None:
            return False
        try:
            if not conn.stream.established():
                self._watch(conn, READ)
                return False
            self._greet(conn)
        except OSError as error:
            self._not_opened(conn, error)
            return False
        if conn.stream.began is not None:
            self._recorder.shaken(now - conn.stream.began)
        self.has_opened = True
        self._usage.connects += 1
        self._usage.reconnects += conn.opened > 0
        conn.opened += 1
        self._recorder.connected(now - conn.opening_since)
        conn.is_open = True
        self._watch(conn, READ)
        limit = self._settings.requests_per_connection
        conn.left = 1 if not self._settings.keep_alive else (limit or 0)
        conn.slow = conn.left > 0
        conn.idle_since = now
        if conn.bucket is None:
            self._opening -= 1
            return True
        self.write(conn, conn.bucket)
        return False

    def _greet(self, conn: Connection) -> None:
        """What a connection does first, once it is there.

        Raises:
            OSError: it cannot.
        """

    # --- writing

    def write(self, conn: Connection, bucket: Bucket) -> None:
        """Put the request of *conn* onto its socket."""
        kind = bucket.kind
        request = kind.head + conn.request_id + kind.tail
        bucket.sent += 1
        send = conn.send
        try:
            taken = send(request)
        except BlockingIOError:
            self._wait_to_send(conn, request)
        except OSError as error:
            self.broken(conn, error)
        else:
            if taken != len(request):
                self._wait_to_send(conn, request[taken:])

    def _wait_to_send(self, conn: Connection, rest: bytes) -> None:
        """Send *rest* when the socket has room."""
        conn.out = rest
        conn.slow = True
        self._watch(conn, READ | WRITE)

    def _flush(self, conn: Connection) -> None:
        try:
            taken = conn.send(conn.out)
        except BlockingIOError:
            return
        except OSError as error:
            self.broken(conn, error)
            return
        conn.out = conn.out[taken:]
        if not conn.out:
            self._watch(conn, READ)
            conn.slow = conn.left > 0 or conn.reader is not None

    # --- reading

    def handle(self, conn: Connection, event: int, now: float) -> bool:
        """Whatever is not the common case; True when the connection is open and free."""
        if not conn.is_open:
            return self._establish(conn, now)
        if event & WRITE and conn.out:
            self._flush(conn)
            if event == WRITE or conn.stream is None:
                return False
        try:
            data = conn.recv(BULK_SIZE if conn.reader is not None and conn.reader.wants_much else READ_SIZE)
        except BlockingIOError:
            return False
        except OSError as error:
            self.broken(conn, error)
            return False
        if conn.bucket is None:
            # The server closed an idle connection, or said something that nothing asked for.
            self.close(conn)
            return False
        return self.receive(conn, conn.bucket, data, now)

    def receive(self, conn: Connection, bucket: Bucket, data: bytes, now: float) -> bool:
        """Take a piece of an answer (empty: the peer closed); True when the connection is open and free."""
        kind: PreparedKind = bucket.kind
        reader = conn.reader
        is_whole = reader is None
        if reader is None:
            node = kind.recognises(data, conn.request_id) if data else None
            if node is not None:
                bucket.add((conn.due, conn.free_at, conn.sent, now))
                if bucket.by_node is not None:
                    bucket.by_node[node] += 1
                return self._settle(conn, keep=True)
            conn.body = kind.check.listener()
            conn.reader = reader = kind.check.reader(conn.body)
            conn.slow = True
        conn.keep(data)
        try:
            if not data and not reader.finish():
                self._end(conn, _failed(ReasonCode.CLOSED))
                return False
            if data and not reader.feed(data):
                return False
        except ProtocolError as error:
            self._end(conn, Verdict("failed", error.reason))
            return False
        verdict = kind.check.judge(reader, conn.body, conn.request_id)
        if verdict is None:
            node = kind.check.node_of(reader)
            bucket.add((conn.due, conn.free_at, conn.sent, now))
            if bucket.by_node is not None:
                bucket.by_node[node] += 1
            if is_whole and reader.keep_alive and not reader.informational and not conn.out:
                kind.learn(data, conn.request_id, node)
        else:
            self._record(conn, bucket, verdict)
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
        conn.bucket = None
        self.close(conn)
        self._set_free(conn)
        return False

    def broken(self, conn: Connection, error: OSError) -> None:
        """The connection failed; the request on it, if any, fails with it."""
        if conn.bucket is None:
            self.close(conn)
            return
        reason = broken_in_answer(error) if conn.received else broken_before_answer(error)
        self._end(conn, Verdict("failed", reason))

    def _end(self, conn: Connection, verdict: Verdict) -> None:
        """The request on *conn* failed, and the connection is of no more use."""
        if conn.bucket is not None:
            self._record(conn, conn.bucket, verdict)
        conn.bucket = None
        self.close(conn)
        self._set_free(conn)

    def _record(self, conn: Connection, bucket: Bucket, verdict: Verdict) -> None:
        self._recorder.ended_badly(
            bucket,
            conn.request_id,
            (conn.due, conn.free_at, conn.sent),
            verdict,
            request=conn.request(),
            response=bytes(conn.received),
        )

    # --- time

    def hurry(self, read_timeout_s: float) -> None:
        """Wait no longer than this for answers from now on."""
        self._read_timeout_s = min(self._read_timeout_s, read_timeout_s)

    def scan(self, now: float) -> None:
        """Time out what takes too long, close what idles too long."""
        settings = self._settings
        for conn in self.slots:
            if conn.stream is None:
                continue
            if not conn.is_open:
                if now - conn.opening_since > settings.connect_timeout_s:
                    self._not_opened(conn, TimeoutError())
            elif conn.bucket is not None:
                if now - conn.sent > self._read_timeout_s:
                    self._end(conn, _stalled() if conn.received else _failed(ReasonCode.TIMEOUT))
            elif settings.idle_timeout_s is not None and now - conn.idle_since > settings.idle_timeout_s:
                self.close(conn)

    def spread(self, now: float, duration_s: float) -> None:
        """Let the connections of a closed loop begin one after the other, not all in one burst."""
        apart = duration_s / max(1, len(self.free))
        for number in range(len(self.free)):
            self._rest(self.free.popleft(), now + number * apart)
        self.wake_rested(now)

    def _rest(self, conn: Connection, until: float) -> None:
        conn.rests_until = until
        self._resting.append(conn)

    def wake_rested(self, now: float) -> bool:
        """Take back into ``free`` what has rested long enough; True if there was something."""
        if not self._resting:
            return False
        rested = [conn for conn in self._resting if conn.rests_until <= now]
        self._resting = [conn for conn in self._resting if conn.rests_until > now]
        self.free.extend(rested)
        self._stirred.append(self)
        return bool(rested)


def _failed(code: ReasonCode) -> Verdict:
    return Verdict("failed", Reason(code))


def _stalled() -> Verdict:
    """No more of an answer that had begun: whoever gave it has read the request."""
    return Verdict("failed", Reason(ReasonCode.ANSWER_CUT, "stalled"))
