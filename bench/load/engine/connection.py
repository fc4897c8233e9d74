"""One connection slot: it may be closed, opening, idle, or busy with one request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bench.load.engine.bytes_reader import BytesReader
from bench.load.engine.check import BodyCheck
from bench.load.engine.http2 import Session
from bench.load.engine.reader import Reader
from bench.load.engine.recorder import EXAMPLE_BYTES, Bucket
from bench.load.engine.transport import Stream


def _closed(_: Any) -> Any:
    raise OSError("closed")


class Connection:
    """State of one slot; the engine is the only one who changes it."""

    __slots__ = (
        "body",
        "bucket",
        "due",
        "fd",
        "free_at",
        "idle_since",
        "is_open",
        "left",
        "opened",
        "opening_since",
        "out",
        "pool",
        "reader",
        "received",
        "recv",
        "request_id",
        "rests_until",
        "send",
        "sent",
        "session",
        "slow",
        "stream",
        "watched",
    )

    def __init__(self, pool: Any) -> None:
        self.pool: Final = pool
        """Whose it is."""
        self.stream: Stream | None = None
        """None: closed; the next request opens it."""
        self.fd = -1
        self.recv: Callable[[int], bytes] = _closed
        self.send: Callable[[bytes], int] = _closed
        self.watched = 0
        """For what its socket is watched."""
        self.is_open = False
        """Connected, and TLS done."""
        self.slow = True
        """Something about this connection needs more than the fast path."""
        self.bucket: Bucket | None = None
        """What the request on it belongs to; None: idle."""
        self.due = 0.0
        self.free_at = 0.0
        """When there was a connection for the request on it: from then on it is the engine that is late."""
        self.sent = 0.0
        self.request_id = b""
        self.out = b""
        """What the socket has not taken yet of the request."""
        self.reader: Reader | BytesReader | None = None
        self.session: Session | None = None
        """Of a connection that speaks HTTP/2."""
        self.body: BodyCheck | None = None
        self.received = bytearray()
        self.left = 0
        """Answers after which it is closed; 0: no limit."""
        self.opened = 0
        """How often it was opened."""
        self.opening_since = 0.0
        self.idle_since = 0.0
        self.rests_until = 0.0

    def attach(self, stream: Stream, now: float) -> None:
        """Use *stream*, which is connecting."""
        self.stream = stream
        self.fd = stream.fd
        self.recv = stream.recv
        self.send = stream.send
        self.opening_since = now
        self.is_open = False
        self.slow = True

    def detach(self) -> None:
        """Close; the request on it, if any, is the caller's business."""
        if self.stream is not None:
            self.stream.close()
        self.stream = None
        self.fd = -1
        self.recv = self.send = _closed
        self.is_open = False
        self.slow = True
        self.out = b""
        self.reader = None
        self.session = None
        self.body = None
        self.received.clear()

    def keep(self, data: bytes) -> None:
        """Remember the beginning of an answer, in case it becomes an example of a failure."""
        room = EXAMPLE_BYTES - len(self.received)
        if room > 0:
            self.received += data[:room]

    def request(self) -> bytes:
        """The request on it, whole."""
        return (
            self.bucket.kind.head + self.request_id + self.bucket.kind.tail
            if self.bucket is not None
            else b""
        )
