"""The connections of a worker, by lane: each protocol has a pool of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from bench.load.engine.arrivals import Share
from bench.load.engine.check import Verdict
from bench.load.engine.connection import Connection
from bench.load.engine.http2 import Session
from bench.load.engine.lanes import Lane, lanes_of
from bench.load.engine.poller import READ, WRITE, Poller
from bench.load.engine.pool import BULK_SIZE, Pool
from bench.load.engine.reader import ProtocolError
from bench.load.engine.recorder import Bucket, Recorder
from bench.load.engine.request import PreparedKind
from bench.load.engine.usage import GeneratorUsage
from bench.load.plan import LoadPlan
from bench.result.reasons import Reason, ReasonCode


class BytesPool(Pool):
    """Exchanges of bytes: one for each connection, which closes after it."""

    def open_all(self) -> None:
        """Open none: whoever is there may speak at once, and then it must be somebody's answer."""
        self.free.extend(self.slots)

    def write(self, conn: Connection, bucket: Bucket) -> None:
        """Send the request, which has no id; one without bytes only listens."""
        bucket.sent += 1
        kind: PreparedKind = bucket.kind
        if not kind.head:
            return
        try:
            taken = conn.send(kind.head)
        except BlockingIOError:
            self._wait_to_send(conn, kind.head)
        except OSError as error:
            self.broken(conn, error)
        else:
            if taken != len(kind.head):
                self._wait_to_send(conn, kind.head[taken:])

    def receive(self, conn: Connection, bucket: Bucket, data: bytes, now: float) -> bool:
        """Take a piece of an answer."""
        if conn.reader is None and data:
            self._recorder.first_byte(now - conn.opening_since)
        self._recorder.received(len(data))
        return super().receive(conn, bucket, data, now)


class Http2Pool(Pool):
    """HTTP/2, one request at a time on each connection."""

    def _greet(self, conn: Connection) -> None:
        conn.session = Session()
        conn.out = b""
        self._push(conn)

    def write(self, conn: Connection, bucket: Bucket) -> None:
        """Put the request of *conn* onto its socket."""
        bucket.sent += 1
        kind: PreparedKind = bucket.kind
        session = conn.session
        assert session is not None  # noqa: S101 - it is open
        conn.body = kind.check.listener()
        try:
            session.ask([*kind.fields, (self._id_header, conn.request_id)], kind.body, conn.body)
        except ProtocolError as error:
            self._end(conn, Verdict("failed", error.reason))
            return
        try:
            self._push(conn)
        except OSError as error:
            self.broken(conn, error)

    def handle(self, conn: Connection, event: int, now: float) -> bool:
        """Whatever comes; True when the connection is open and free."""
        if not conn.is_open:
            return self._establish(conn, now)
        try:
            if event & WRITE and conn.out:
                self._push(conn)
                if event == WRITE:
                    return False
            data = conn.recv(BULK_SIZE)
        except BlockingIOError:
            return False
        except OSError as error:
            self.broken(conn, error)
            return False
        if conn.bucket is not None:
            return self.receive(conn, conn.bucket, data, now)
        self._listen(conn, data)
        return False

    def _listen(self, conn: Connection, data: bytes) -> None:
        """Take what comes between two requests."""
        try:
            # Settings and pings come between requests, too.
            if data and conn.session is not None:
                conn.session.feed(data)
                self._push(conn)
                if not conn.session.is_over:
                    return
        except (ProtocolError, OSError):
            pass
        self.close(conn)

    def receive(self, conn: Connection, bucket: Bucket, data: bytes, now: float) -> bool:
        """Take a piece of an answer (empty: the peer closed); True when the connection is open and free."""
        session, kind = conn.session, bucket.kind
        if session is None or session.answer is None or not data:
            has_begun = session is not None and session.answer is not None and session.answer.status
            code = ReasonCode.ANSWER_CUT if has_begun else ReasonCode.CLOSED
            self._end(conn, Verdict("failed", Reason(code, "closed" if has_begun else "")))
            return False
        conn.keep(data)
        try:
            is_complete = session.feed(data)
            self._push(conn)
        except ProtocolError as error:
            self._end(conn, Verdict("failed", error.reason))
            return False
        except OSError as error:
            self.broken(conn, error)
            return False
        if not is_complete:
            return False
        answer = session.answer
        verdict = kind.check.judge(answer, conn.body, conn.request_id)
        if verdict is None:
            bucket.add((conn.due, conn.free_at, conn.sent, now))
            if bucket.by_node is not None:
                bucket.by_node[kind.check.node_of(answer)] += 1
        else:
            self._record(conn, bucket, verdict)
        session.answer = None
        return self._settle(conn, keep=not session.is_over)

    def _settle(self, conn: Connection, *, keep: bool) -> bool:
        is_free = super()._settle(conn, keep=keep)
        conn.slow = True
        return is_free

    def _push(self, conn: Connection) -> None:
        """Send what the session has to say, as far as the socket takes it."""
        session = conn.session
        if session is None:
            return
        conn.out += session.out
        session.out = b""
        if not conn.out:
            return
        with contextlib.suppress(BlockingIOError):
            conn.out = conn.out[conn.send(conn.out) :]
        wanted = READ | WRITE if conn.out else READ
        if conn.watched != wanted:
            self._watch(conn, wanted)


def pools_of(  # noqa: PLR0917 - one of each part of the engine
    plan: LoadPlan,
    share: Share,
    poller: Poller,
    recorder: Recorder,
    usage: GeneratorUsage,
    kinds: Sequence[PreparedKind],
) -> tuple[list[Pool], dict[int, Connection], list[Pool]]:
    """One pool for each lane of the plan, all open connections by descriptor, and who was stirred."""
    by_fd: dict[int, Connection] = {}
    stirred: list[Pool] = []
    pools = []
    for lane in lanes_of(plan, share):
        pool = _class_of(lane)(plan, lane, poller, recorder, usage, by_fd=by_fd, stirred=stirred)
        pools.append(pool)
        for index in lane.kinds:
            kinds[index].pool = pool
    return pools, by_fd, stirred


def _class_of(lane: Lane) -> type[Pool]:
    if lane.protocol == "bytes":
        return BytesPool
    return Http2Pool if lane.protocol in ("http/2", "grpc") else Pool
