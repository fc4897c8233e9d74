"""HTTP/2 of one connection, by the library h2: one request at a time, its answer read event by event.

The library is Python: a request costs about ten times what HTTP/1.1 costs here, and the result says so.
"""

from __future__ import annotations

from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

from bench.load.engine.reader import KEEP, BodyListener, ProtocolError
from bench.result.reasons import Reason, ReasonCode

_WINDOW: Final = 16 << 20
"""Bytes that a peer may send ahead: as far as clients of servers with large answers go."""
_GRPC_PREFIX: Final = 5
"""Bytes before a message: a flag and its length
(https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)."""

Headers = list[tuple[bytes, bytes]]


class StreamResetError(ProtocolError):
    """The peer gave the stream up; the connection lives on."""

    @property
    def reason(self) -> Reason:
        """As the reason for which a request failed."""
        return Reason(ReasonCode.STREAM_RESET, str(self))


class Answer:
    """One answer; the same form as ``Reader``."""

    __slots__ = (
        "_listener",
        "body",
        "body_length",
        "headers",
        "informational",
        "is_complete",
        "status",
        "trailers",
    )

    leftover = b""
    wants_much = False

    def __init__(self, listener: BodyListener | None) -> None:
        self._listener = listener
        self.status = 0
        self.headers: Headers = []
        self.trailers: Headers = []
        self.body = bytearray()
        """The first ``KEEP`` bytes."""
        self.body_length = 0
        self.informational = 0
        self.is_complete = False

    def header(self, name: bytes) -> bytes | None:
        """First value of header *name* (in lower case), or None."""
        return next((value for found, value in self.headers if found == name), None)

    @property
    def grpc_status(self) -> int | None:
        """Of the trailers, or of an answer that has nothing else; None: it gives none."""
        for name, value in (*self.trailers, *self.headers):
            if name == b"grpc-status" and value.isdigit():
                return int(value)
        return None

    def begin(self, headers: Headers) -> None:
        """Take status and headers."""
        self.headers = headers
        status = self.header(b":status") or b"0"
        self.status = int(status) if status.isdigit() else 0

    def take(self, data: bytes) -> None:
        """Take the next piece of the body."""
        self.body_length += len(data)
        if len(self.body) < KEEP:
            self.body += data[: KEEP - len(self.body)]
        if self._listener is not None:
            self._listener.feed(data)


def message(content: bytes) -> bytes:
    """A gRPC message, uncompressed, as a body carries it."""
    return b"\0" + len(content).to_bytes(_GRPC_PREFIX - 1, "big") + content


class Session:
    """The HTTP/2 of one connection."""

    __slots__ = ("_h2", "_rest", "_stream", "answer", "is_over", "out")

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)
        self._stream = 0
        self._rest = b""
        """What the peer's window has no room for yet of the request's body."""
        self.answer: Answer | None = None
        self.is_over = False
        """The peer takes no more requests."""
        self.out = self._h2.data_to_send()
        """To be sent."""

    def ask(self, headers: Headers, body: bytes, listener: BodyListener | None) -> None:
        """Begin a request; what is to be sent is in ``out``.

        Raises:
            ProtocolError: the connection takes no more requests.
        """
        try:
            self._stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(self._stream, headers, end_stream=not body)
        except H2Error as error:
            raise ProtocolError(f"HTTP/2: {type(error).__name__}") from None
        self._rest = body
        self.answer = Answer(listener)
        self._send()

    def feed(self, data: bytes) -> bool:
        """Take what was received; True when the answer is complete.

        Raises:
            ProtocolError: this is not HTTP/2, or the stream was given up.
        """
        try:
            events = self._h2.receive_data(data)
        except H2Error as error:
            self.is_over = True
            self.out += self._h2.data_to_send()
            raise ProtocolError(f"not HTTP/2: {type(error).__name__}") from None
        for event in events:
            self._see(event)
        self._send()
        return self.answer is not None and self.answer.is_complete

    def _see(self, event: Event) -> None:
        self.is_over = self.is_over or isinstance(event, ConnectionTerminated)
        answer = self.answer
        if answer is None or getattr(event, "stream_id", None) != self._stream:
            return
        match event:
            case ResponseReceived():
                answer.begin([(bytes(name), bytes(value)) for name, value in event.headers or ()])
            case InformationalResponseReceived():
                answer.informational += 1
            case DataReceived():
                answer.take(event.data or b"")
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, self._stream)
            case TrailersReceived():
                answer.trailers = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
            case StreamEnded():
                answer.is_complete = True
            case StreamReset() if not answer.is_complete:
                raise StreamResetError(_code(event.error_code))

    def _send(self) -> None:
        """Put onto the wire what the windows allow."""
        while self._rest:
            room = min(self._h2.local_flow_control_window(self._stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                break
            piece, self._rest = self._rest[:room], self._rest[room:]
            self._h2.send_data(self._stream, piece, end_stream=not self._rest)
        self.out += self._h2.data_to_send()


def _code(code: object) -> str:
    return code.name if isinstance(code, ErrorCodes) else str(code)
