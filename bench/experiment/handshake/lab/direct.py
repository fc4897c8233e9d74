"""A client of our own against a node: handshakes without any Envoy, on its own clock."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import StackError
from bench.placement import Address
from bench.result import HandshakeKind, TlsVersionName

_TIMEOUT_S = 10.0
_PAUSE_S = 0.004
"""After each: about the distance of the requests of a load."""
_VERSIONS: dict[TlsVersionName, ssl.TLSVersion] = {
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class Shot:
    """One connection, or one request on a kept one; microseconds."""

    secured_us: float
    """TCP connected to handshake done; 0 on a kept connection."""
    answered_us: float
    """Begin of the connection, or of the request on a kept one, to the first byte of the answer."""
    cpu_us: float
    """CPU of this thread for all of it."""
    resumed: bool


@dataclass(slots=True)
class Series:
    """Shots of one kind, and what they cost the node."""

    shots: list[Shot] = field(default_factory=list)
    node_cpu_s: float = 0.0

    @property
    def node_cpu_us(self) -> float | None:
        """CPU of the node for one of them."""
        return self.node_cpu_s * 1e6 / len(self.shots) if self.shots else None

    @property
    def cpu_us(self) -> float | None:
        """CPU of the client for one of them."""
        return sum(shot.cpu_us for shot in self.shots) / len(self.shots) if self.shots else None


@dataclass(frozen=True, slots=True)
class Shots:
    """All that the client has done."""

    kept: Series = field(default_factory=Series)
    """Requests on one connection."""
    full: Series = field(default_factory=Series)
    resumed: Series = field(default_factory=Series)
    bare: Series = field(default_factory=Series)
    """TCP connections that are closed without a byte."""

    def of(self, kind: HandshakeKind) -> Series:
        """Those of a kind of handshake."""
        return self.full if kind == "full" else self.resumed


@dataclass(frozen=True, slots=True)
class DirectClient:
    """Knows one node and how to speak to it; OpenSSL, as Python has it."""

    address: Address
    host: str
    """Of the request."""
    path: str
    tls_version: TlsVersionName
    certificates: Path
    """Folder of ``client.crt``, ``client.key`` and ``ca.crt``."""
    presents_certificate: bool
    node_cpu: Callable[[], float]
    """CPU seconds that the node has used."""

    def in_turn(self, count: int, into: Shots) -> None:
        """This many connections of each kind, one of a kind after one of another, at the pace of a load.

        One after the other without a pause, the same code would run on caches that stay warm, as behind no
        gateway. Resumed ones have the session of the one before; what the node refuses is full.

        Raises:
            StackError: the node does not answer.
        """
        context = self._context()
        session: ssl.SSLSession | None = None

        def resumed() -> Shot:
            nonlocal session
            shot, session = self._connection(context, session)
            return shot

        try:
            with self._opened(context, None) as (stream, _):
                self._ask(stream)
                session = stream.session
                for _ in range(count):
                    self._counted(into.kept, lambda: self._request(stream))
                    self._counted(into.full, lambda: self._connection(context, None)[0])
                    self._counted(into.resumed, resumed)
                    self._counted(into.bare, self._bare)
        except OSError as error:
            raise StackError(
                f"a client of our own cannot reach the node at {self.address[0]}:{self.address[1]}: {error}.",
                remedy="Its log says why.",
            ) from error

    def _bare(self) -> Shot:
        used = time.thread_time_ns()
        with socket.create_connection(self.address, _TIMEOUT_S):
            pass
        return Shot(0.0, 0.0, (time.thread_time_ns() - used) / 1e3, resumed=False)

    def _counted(self, into: Series, shoot: Callable[[], Shot]) -> None:
        before = self.node_cpu()
        shot = shoot()
        # The node closes its side when it notices: that belongs to it.
        time.sleep(_PAUSE_S)
        into.node_cpu_s += self.node_cpu() - before
        into.shots.append(shot)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The node stands in for an address that it does not have: the chain is verified, the name is not.
        context.check_hostname = False
        context.load_verify_locations(self.certificates / "ca.crt")
        context.minimum_version = context.maximum_version = _VERSIONS[self.tls_version]
        if self.presents_certificate:
            context.load_cert_chain(self.certificates / "client.crt", self.certificates / "client.key")
        return context

    @contextlib.contextmanager
    def _opened(
        self, context: ssl.SSLContext, session: ssl.SSLSession | None
    ) -> Iterator[tuple[ssl.SSLSocket, int]]:
        raw = socket.create_connection(self.address, _TIMEOUT_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected = time.perf_counter_ns()
        with context.wrap_socket(raw, session=session) as stream:
            yield stream, connected

    def _connection(
        self, context: ssl.SSLContext, session: ssl.SSLSession | None
    ) -> tuple[Shot, ssl.SSLSession | None]:
        used, begun = time.thread_time_ns(), time.perf_counter_ns()
        with self._opened(context, session) as (stream, connected):
            secured = time.perf_counter_ns()
            answered = self._ask(stream)
            cpu = time.thread_time_ns() - used
            shot = Shot(
                secured_us=(secured - connected) / 1e3,
                answered_us=(answered - begun) / 1e3,
                cpu_us=cpu / 1e3,
                resumed=bool(stream.session_reused),
            )
            # Tickets of TLS 1.3 came with the answer at the latest.
            return shot, stream.session

    def _request(self, stream: ssl.SSLSocket) -> Shot:
        used, begun = time.thread_time_ns(), time.perf_counter_ns()
        answered = self._ask(stream)
        return Shot(0.0, (answered - begun) / 1e3, (time.thread_time_ns() - used) / 1e3, resumed=False)

    def _ask(self, stream: ssl.SSLSocket) -> int:
        """Send a request, read the whole answer; the moment of its first byte, in nanoseconds."""
        stream.sendall(f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        data = stream.recv(65_536)
        first = time.perf_counter_ns()
        while b"\r\n\r\n" not in data:
            data += self._more(stream)
        head, _, body = data.partition(b"\r\n\r\n")
        missing = _content_length(head) - len(body)
        while missing > 0:
            missing -= len(self._more(stream))
        return first

    @staticmethod
    def _more(stream: ssl.SSLSocket) -> bytes:
        data = stream.recv(65_536)
        if not data:
            raise ConnectionResetError("the node closed the connection within its answer")
        return data


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
