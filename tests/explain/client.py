"""A client in front of a sidecar: plain HTTP, HTTP within TLS, or bytes, to the destination that it means."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass, field

_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Target:
    """Where a client connects to."""

    port: int
    """The real port of the listener."""
    means: tuple[str, int] | None = None
    """The address that the client dialled, which redirection would have kept; None: of no matter."""


@dataclass(frozen=True)
class Message:
    """What a client sends."""

    scheme: str
    """``http``, ``https`` or ``tcp``."""
    host: str
    """The Host header, and the SNI."""
    path: str = "/"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)


def send(message: Message, target: Target, client_pair: tuple[str, str]) -> int | None:
    """Send *message*; give the status (200 for bytes that came back), or None for a closed connection."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=_TIMEOUT_S)
    try:
        connection.sock = _connected(message, target, client_pair)
        if message.scheme == "tcp":
            connection.sock.sendall(b"bytes that are not HTTP\r\n\r\n")
            return 200 if connection.sock.recv(1) else None
        connection.putrequest(message.method, message.path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": message.host, **message.headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    except (http.client.HTTPException, OSError):
        return None
    finally:
        connection.close()


def _connected(message: Message, target: Target, client_pair: tuple[str, str]) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", target.port), timeout=_TIMEOUT_S)
    if target.means is not None:
        address, port = target.means
        plain.sendall(f"PROXY TCP4 127.0.0.1 {address} 40000 {port}\r\n".encode())
    if message.scheme != "https":
        return plain
    # Without the system's authorities, which take 20 ms to read.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*client_pair)
    name = message.host.rpartition(":")[0] if message.host.rpartition(":")[2].isdecimal() else message.host
    return context.wrap_socket(plain, server_hostname=name)
