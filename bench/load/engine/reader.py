"""An HTTP/1.1 response reader that takes bytes in any split and is strict about what it accepts (RFC 9112).

The grammar is h11's, so that the two can be compared byte by byte, but for two things that are refused:
obs-fold (RFC 9112 section 5.2), and Transfer-Encoding with Content-Length, which "ought to be handled as an
error" (section 6.1): a smuggled answer begins so.
"""

from __future__ import annotations

import re
from typing import Final

from bench.result.reasons import Reason, ReasonCode

HEADER_LIMIT: Final = 65_536
"""Bytes of status line and headers, or of trailers, after which a peer is no longer believed."""
LARGE: Final = 65_536
"""Bytes of a body still to come from which it is worth while to receive more at a time."""
KEEP: Final = 65_536
"""Body bytes that are kept; what follows only passes through the listener."""

_BLANK: Final = re.compile(rb"\n\r?\n")
_STATUS: Final = re.compile(rb"HTTP/([0-9]\.[0-9]) ([0-9]{3})(?: ((?:[ \t]|[^\x00\s])*))?")
_FIELD: Final = re.compile(
    rb"([-!#$%&'*+.^_`|~0-9a-zA-Z]+):[ \t]*((?:[^\x00\s]+(?:[ \t]+[^\x00\s]+)*)?)[ \t]*"
)
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,20})(?:;.*)?[ \t]*\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,20}")

_HEAD, _SIZED, _CHUNK_SIZE, _CHUNK_DATA, _CHUNK_END, _TRAILERS, _UNTIL_CLOSE, _DONE = range(8)


class ProtocolError(Exception):
    """The peer does not speak HTTP/1.1, or stopped in the middle. Few distinct texts: they are counted."""

    @property
    def reason(self) -> Reason:
        """As the reason for which a request failed."""
        return Reason(ReasonCode.PROTOCOL, str(self))


class AnswerCutError(ProtocolError):
    """The peer closed in the middle of its answer."""

    @property
    def reason(self) -> Reason:
        """As the reason for which a request failed."""
        return Reason(ReasonCode.ANSWER_CUT, "closed")


class BodyListener:
    """Receives the body as it comes, for checks that must not keep 200 MB."""

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body."""


class Reader:
    """Reads one response; once ``feed`` returned True, all attributes hold, ``leftover`` is what followed."""

    __slots__ = (
        "_buffer",
        "_listener",
        "_no_body",
        "_remaining",
        "_searched",
        "_state",
        "body",
        "body_length",
        "headers",
        "informational",
        "keep_alive",
        "leftover",
        "raw_head",
        "status",
    )

    def __init__(self, *, head: bool = False, listener: BodyListener | None = None) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        """Names in lower case, in order."""
        self.body = bytearray()
        """The first ``KEEP`` bytes."""
        self.body_length = 0
        self.keep_alive = True
        self.informational = 0
        """1xx responses before the final one."""
        self.leftover = b""
        self.raw_head = b""
        """Status line and headers as received."""
        self._no_body = head
        self._listener = listener
        self._buffer = bytearray()
        self._searched = 0
        self._remaining = 0
        self._state = _HEAD

    @property
    def wants_much(self) -> bool:
        """Whether a large piece of a body is still to come."""
        return self._remaining > LARGE

    @property
    def is_complete(self) -> bool:
        """Whether the whole response is here."""
        return self._state == _DONE

    def feed(self, data: bytes) -> bool:
        """Take what was received; True when the response is complete.

        Raises:
            ProtocolError: this is not HTTP/1.1.
        """
        buffer = self._buffer
        if not buffer and self._state in (_SIZED, _CHUNK_DATA) and len(data) < self._remaining:
            # The middle of a large body: nothing to look for, nothing to copy.
            self._remaining -= len(data)
            self._body(data)
            return False
        buffer += data
        while self._state != _DONE:
            state = self._state
            if state == _HEAD:
                advanced = self._read_head()
            elif state in (_SIZED, _CHUNK_DATA):
                advanced = self._read_data()
            elif state == _CHUNK_SIZE:
                advanced = self._read_chunk_size()
            elif state == _CHUNK_END:
                advanced = self._read_chunk_end()
            elif state == _TRAILERS:
                advanced = self._read_trailers()
            else:
                self._body(bytes(buffer))
                buffer.clear()
                advanced = False
            if not advanced:
                return False
        self.leftover += bytes(buffer)
        buffer.clear()
        return True

    def finish(self) -> bool:
        """Note that the peer closed; True if that completes the response, False if it never began.

        Raises:
            ProtocolError: the response was cut.
        """
        if self._state == _UNTIL_CLOSE:
            self._state = _DONE
        if self._state == _DONE:
            return True
        if self._state == _HEAD and not self._buffer and not self.informational:
            return False
        raise AnswerCutError("connection closed in the middle of the answer")

    def header(self, name: bytes) -> bytes | None:
        """First value of header *name* (in lower case), or None."""
        for found, value in self.headers:
            if found == name:
                return value
        return None

    def _lines(self) -> list[bytes] | None:
        """Take the lines up to the first blank one; None if it has not come yet."""
        buffer = self._buffer
        for blank in (b"\n", b"\r\n"):
            if buffer.startswith(blank):
                del buffer[: len(blank)]
                return []
        found = _BLANK.search(buffer, self._searched)
        if found is None:
            self._searched = max(0, len(buffer) - 2)
            if len(buffer) > HEADER_LIMIT:
                raise ProtocolError("headers without end")
            return None
        block = bytes(buffer[: found.end()])
        del buffer[: found.end()]
        self._searched = 0
        self.raw_head = self.raw_head or block
        return [line.removesuffix(b"\r") for line in block.split(b"\n")[:-2]]

    def _read_head(self) -> bool:  # noqa: C901 - one rule of RFC 9112 after the other
        lines = self._lines()
        if lines is None:
            if self._buffer and self._buffer[0] < 0x21:
                raise ProtocolError("not HTTP: no status line")
            if not b"HTTP/".startswith(self._buffer[:5]):
                raise ProtocolError("not HTTP: no status line")
            return False
        if not lines:
            raise ProtocolError("not HTTP: no status line")
        match = _STATUS.fullmatch(lines[0])
        if match is None:
            raise ProtocolError("not HTTP: no status line")
        status = int(match[2])
        headers = _fields(lines[1:])
        if status < 200:
            if status == 101 or status < 100:
                raise ProtocolError(f"unexpected status {status}")
            _framing(headers)
            self.informational += 1
            self.raw_head = b""
            return True
        self.status = status
        self.headers = headers
        length, chunked, closes = _framing(headers)
        self.keep_alive = not closes and match[1] >= b"1.1"
        if self._no_body or status in (204, 304):
            self._state = _DONE
        elif chunked:
            self._state = _CHUNK_SIZE
        elif length is None:
            self.keep_alive = False
            self._state = _UNTIL_CLOSE
        else:
            self._remaining = length
            self._state = _SIZED if length else _DONE
        return True

    def _read_data(self) -> bool:
        buffer = self._buffer
        if not buffer:
            return False
        piece = bytes(buffer[: self._remaining])
        del buffer[: len(piece)]
        self._remaining -= len(piece)
        self._body(piece)
        if self._remaining:
            return False
        self._state = _DONE if self._state == _SIZED else _CHUNK_END
        return True

    def _read_chunk_size(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > HEADER_LIMIT:
                raise ProtocolError("chunk size without end")
            return False
        line = bytes(self._buffer[: end + 2])
        del self._buffer[: end + 2]
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise ProtocolError("malformed chunk size")
        self._remaining = int(match[1], 16)
        self._state = _CHUNK_DATA if self._remaining else _TRAILERS
        return True

    def _read_chunk_end(self) -> bool:
        start = bytes(self._buffer[:2])
        if not b"\r\n".startswith(start):
            raise ProtocolError("malformed chunk end")
        if len(start) < 2:
            return False
        del self._buffer[:2]
        self._state = _CHUNK_SIZE
        return True

    def _read_trailers(self) -> bool:
        lines = self._lines()
        if lines is None:
            return False
        _framing(_fields(lines))
        self._state = _DONE
        return True

    def _body(self, piece: bytes) -> None:
        self.body_length += len(piece)
        if len(self.body) < KEEP:
            self.body += piece[: KEEP - len(self.body)]
        if self._listener is not None:
            self._listener.feed(piece)


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    headers = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise ProtocolError("malformed header line")
        headers.append((match[1].lower(), match[2]))
    return headers


def _framing(headers: list[tuple[bytes, bytes]]) -> tuple[int | None, bool, bool]:
    """Content-Length, whether chunked, whether the peer will close (RFC 9112 sections 6 and 9.6)."""
    length: bytes | None = None
    chunked = False
    closes = False
    for name, value in headers:
        if name == b"content-length":
            lengths = {part.strip() for part in value.split(b",")}
            if length is not None:
                lengths.add(length)
            if len(lengths) != 1:
                raise ProtocolError("conflicting Content-Length headers")
            length = lengths.pop()
            if _LENGTH.fullmatch(length) is None:
                raise ProtocolError("malformed Content-Length")
        elif name == b"transfer-encoding":
            if chunked:
                raise ProtocolError("more than one Transfer-Encoding header")
            if value.lower() != b"chunked":
                raise ProtocolError("unknown Transfer-Encoding")
            chunked = True
        elif name == b"connection":
            closes = closes or b"close" in [part.strip() for part in value.lower().split(b",")]
    return _one_length(length, chunked=chunked), chunked, closes


def _one_length(length: bytes | None, *, chunked: bool) -> int | None:
    if chunked and length is not None:
        raise ProtocolError("Transfer-Encoding with Content-Length")
    return int(length) if length is not None else None
