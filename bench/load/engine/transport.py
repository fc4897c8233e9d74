"""Non-blocking byte streams to the target: plain, and TLS that is always verified."""

from __future__ import annotations

# The C socket: gevent's and the standard library's wrap it in layers that cost as much as the system call.
import _socket
import errno
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from bench.errors import LoadError
from bench.load.plan import Target, TargetTls
from bench.result.reasons import Reason, ReasonCode

_IN_PROGRESS: Final = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN}


class Stream(Protocol):
    """One connection. ``recv`` and ``send`` raise BlockingIOError when they would have to wait."""

    began: float | None
    """When its TLS handshake began; None: it has none, or not yet."""

    fd: int
    recv: Callable[[int], bytes]
    send: Callable[[bytes], int]

    def established(self) -> bool:
        """Go on after the socket became writable or readable; True once requests may be sent.

        Raises:
            OSError: the connection, or its TLS handshake, failed.
        """

    def close(self) -> None:
        """Close at once."""


class Plain:
    """TCP."""

    __slots__ = ("_socket", "began", "fd", "recv", "send")

    def __init__(self, family: int, address: Any) -> None:
        sock = _socket.socket(family, _socket.SOCK_STREAM)
        self._socket = sock
        self.began: float | None = None
        self.fd = sock.fileno()
        sock.setblocking(False)
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.recv: Callable[[int], bytes] = sock.recv
        self.send: Callable[[bytes], int] = sock.send
        code = sock.connect_ex(address)
        if code not in _IN_PROGRESS:
            sock.close()
            raise OSError(code, errno.errorcode.get(code, str(code)))

    def established(self) -> bool:
        """Whether the connection is there."""
        code = self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if code:
            raise OSError(code, errno.errorcode.get(code, str(code)))
        return True

    def close(self) -> None:
        """Close at once."""
        self._socket.close()


_NO_ALPN: Final = "the server offers no protocol that was asked for (ALPN)"


class AlpnError(OSError):
    """The server does not speak the protocol that is wanted."""


class Tls:
    """TLS over TCP, through memory buffers, so that no call ever waits."""

    __slots__ = (
        "_alpn",
        "_inside",
        "_outside",
        "_owed",
        "_pending",
        "_plain",
        "_read",
        "_tls",
        "_write",
        "began",
        "fd",
        "recv",
        "send",
    )

    def __init__(self, plain: Plain, context: ssl.SSLContext, server_name: str, alpn: str = "") -> None:
        self._plain = plain
        self.fd = plain.fd
        self._inside = ssl.MemoryBIO()
        self._outside = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._inside, self._outside, server_hostname=server_name)
        self._read = self._tls.read
        self._write = self._tls.write
        self._alpn = alpn
        self.began: float | None = None
        """When the TCP connection was there, and the handshake began."""
        self._pending = b""
        self._owed = False
        self.recv: Callable[[int], bytes] = self._recv
        self.send: Callable[[bytes], int] = self._send

    def established(self) -> bool:
        """Take the next step of the handshake."""
        if self.began is None:
            self._plain.established()
            self.began = time.monotonic()
        else:
            self._fill()
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._drain()
            return False
        except ssl.SSLError:
            self._drain()
            raise
        self._drain()
        if self._alpn == "h2" and self._tls.selected_alpn_protocol() != "h2":
            raise AlpnError(_NO_ALPN)
        return True

    def close(self) -> None:
        """Close at once."""
        self._plain.close()

    def _fill(self) -> bool:
        """Read ciphertext; False at the end of the stream."""
        try:
            data = self._plain.recv(65_536)
        except BlockingIOError:
            return True
        if data:
            self._inside.write(data)
            return True
        self._inside.write_eof()
        return False

    def _drain(self) -> bool:
        """Write ciphertext; False if some had to stay."""
        self._pending += self._outside.read()
        while self._pending:
            try:
                sent = self._plain.send(self._pending)
            except BlockingIOError:
                return False
            self._pending = self._pending[sent:]
        return True

    def _recv(self, size: int) -> bytes:
        """All plaintext that is here: epoll knows nothing about what OpenSSL holds back."""
        data = self._plain.recv(size)
        if not data:
            return self._at_end()
        inside = self._inside
        inside.write(data)
        try:
            # A record at a time; the common answer is one.
            piece = self._read(size)
            if not inside.pending and not self._tls.pending():
                if self._outside.pending:
                    self._drain()
                return piece
        except ssl.SSLWantReadError:
            if self._outside.pending:
                self._drain()
            raise BlockingIOError from None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        return piece + self._rest(size) if piece else b""

    def _rest(self, size: int) -> bytes:
        """What is left of all that was received."""
        pieces = []
        try:
            while piece := self._read(size):
                pieces.append(piece)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        finally:
            self._drain()
        return b"".join(pieces)

    def _at_end(self) -> bytes:
        """The peer has closed; what it had said before was read when it came."""
        self._inside.write_eof()
        return b""

    def _send(self, data: bytes) -> int:
        """Encrypt and write all of *data*; after a BlockingIOError call again with the same data."""
        if not self._owed:
            self._write(data)
            if not self._pending:
                self._pending = self._outside.read()
            self._owed = True
        if not self._drain():
            raise BlockingIOError
        self._owed = False
        return len(data)


class Dialer:
    """Opens connections to one target."""

    def __init__(self, target: Target) -> None:
        self._family, self._address = resolve(target.address, target.port)
        self._tls = target.tls
        self._context = client_context(self._tls) if self._tls is not None else None

    def open(self) -> Stream:
        """Begin to connect.

        Raises:
            OSError: it failed at once.
        """
        plain = Plain(self._family, self._address)
        if self._context is None or self._tls is None:
            return plain
        return Tls(plain, self._context, self._tls.server_name, next(iter(self._tls.alpn), ""))


def resolve(address: str, port: int) -> tuple[int, Any]:
    """Family and socket address of *address*, looked up once so that no request waits for a name server.

    Raises:
        LoadError: the name does not resolve.
    """
    try:
        found = _socket.getaddrinfo(address, port, 0, _socket.SOCK_STREAM)
    except OSError as error:
        raise LoadError(
            f"target {address}:{port}: the name does not resolve ({error.strerror or error}).",
            remedy="Give an address, or fix the name.",
        ) from None
    family, _, _, _, location = found[0]
    return family, location


def client_context(tls: TargetTls) -> ssl.SSLContext:
    """A verifying context for the target.

    Raises:
        LoadError: a file is missing or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.alpn:
        context.set_alpn_protocols(list(tls.alpn))
    step = tls.ca
    try:
        context.load_verify_locations(cafile=tls.ca)
        if tls.certificate is not None:
            step = tls.certificate
            context.load_cert_chain(tls.certificate, tls.private_key)
    except (OSError, ssl.SSLError) as error:
        raise LoadError(
            f"TLS to the target: {step} cannot be used ({error.strerror or error}).",
            remedy="Give PEM files: a CA bundle, and a certificate with its private key.",
        ) from None
    return context


def not_connected(error: BaseException) -> Reason:
    """Why a connection did not come about."""
    match error:
        case ssl.SSLError():
            return Reason(ReasonCode.TLS, _said_by_openssl(error))
        case AlpnError():
            return Reason(ReasonCode.TLS, str(error))
        case TimeoutError():
            return Reason(ReasonCode.CONNECT_TIMEOUT)
        case OSError(errno=code) if code in _NOT_CONNECTED:
            return _NOT_CONNECTED[code]
    return Reason(ReasonCode.CONNECT_FAILED, _name_of(error))


def broken_before_answer(error: OSError) -> Reason:
    """Why a connection ended under its request before the first byte of an answer."""
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return Reason(ReasonCode.RESET)
    return Reason(ReasonCode.BROKEN, _name_of(error))


def broken_in_answer(error: OSError) -> Reason:
    """Why a connection ended under its request after an answer had begun."""
    is_reset = isinstance(error, ConnectionResetError | BrokenPipeError)
    return Reason(ReasonCode.ANSWER_CUT, "reset" if is_reset else f"broken ({_name_of(error)})")


def _said_by_openssl(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    return (error.reason or str(error)).lower().replace("_", " ")


def _name_of(error: BaseException) -> str:
    """A short, stable name, good for counting."""
    if isinstance(error, ssl.SSLError):
        return _said_by_openssl(error)
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, str(error.errno))
    return type(error).__name__


_NOT_CONNECTED: Final = {
    errno.ECONNREFUSED: Reason(ReasonCode.REFUSED),
    errno.ECONNRESET: Reason(ReasonCode.CONNECT_RESET),
    errno.EPIPE: Reason(ReasonCode.CONNECT_RESET),
    errno.EHOSTUNREACH: Reason(ReasonCode.UNREACHABLE, "host"),
    errno.ENETUNREACH: Reason(ReasonCode.UNREACHABLE, "network"),
    errno.ETIMEDOUT: Reason(ReasonCode.CONNECT_TIMEOUT),
    errno.EADDRNOTAVAIL: Reason(ReasonCode.NO_LOCAL_PORT),
    errno.EMFILE: Reason(ReasonCode.TOO_MANY_FILES),
    errno.ENFILE: Reason(ReasonCode.TOO_MANY_FILES),
}
