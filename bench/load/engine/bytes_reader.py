"""Answers that are not HTTP: a line, this many bytes, or all until the peer closes.

The first word may name a node.
"""

from __future__ import annotations

from typing import Final, Literal

from bench.load.engine.reader import KEEP, AnswerCutError, BodyListener, ProtocolError

LONGEST_LINE: Final = 1 << 20
"""Bytes after which a peer is no longer believed to end its line."""


class BytesReader:
    """Reads one answer; the same form as ``Reader``, without status and headers."""

    __slots__ = ("_listener", "_until", "body", "body_length", "is_complete", "leftover")

    headers: Final[list[tuple[bytes, bytes]]] = []
    status = 0
    informational = 0
    keep_alive = False
    """One exchange for each connection."""

    def __init__(self, until: Literal["line", "close"] | int, listener: BodyListener | None = None) -> None:
        self._until = until
        self._listener = listener
        self.body = bytearray()
        """The first ``KEEP`` bytes."""
        self.body_length = 0
        self.is_complete = False
        self.leftover = b""

    @property
    def wants_much(self) -> bool:
        """Whether a large piece is still to come."""
        return isinstance(self._until, int) and self._until - self.body_length > KEEP

    def feed(self, data: bytes) -> bool:
        """Take what was received; True when the answer is complete.

        Raises:
            ProtocolError: the line has no end.
        """
        if self._until == "line":
            end = data.find(b"\n")
            if end < 0 and self.body_length + len(data) > LONGEST_LINE:
                raise ProtocolError("a line without end")
            mine, self.leftover = (data, b"") if end < 0 else (data[: end + 1], data[end + 1 :])
            self.is_complete = end >= 0
        elif self._until == "close":
            mine = data
        else:
            left = self._until - self.body_length
            mine, self.leftover = data[:left], data[left:]
            self.is_complete = len(mine) == left
        self.body_length += len(mine)
        if len(self.body) < KEEP:
            self.body += mine[: KEEP - len(self.body)]
        if self._listener is not None:
            self._listener.feed(mine)
        return self.is_complete

    def finish(self) -> bool:
        """Report that the peer closed; True if that completes the answer, False if it never began.

        Raises:
            AnswerCutError: the answer was cut.
        """
        if self.is_complete:
            return True
        if not self.body_length:
            return False
        if self._until != "close":
            raise AnswerCutError("connection closed in the middle of the answer")
        self.is_complete = True
        return True

    def header(self, _name: bytes) -> bytes | None:
        """Bytes have no headers."""
        return None

    @property
    def first_word(self) -> bytes:
        """What is before the first blank: the node, if it is one of ours."""
        return bytes(self.body[:256]).split(maxsplit=1)[0] if self.body.strip() else b""
