"""A real TLS server that reports what it saw of a handshake: SNI, the client's certificate, ALPN."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.authority import Authority


@dataclass
class TlsServer:
    """Answers each request with a JSON object, one connection after the other."""

    port: int


@contextlib.contextmanager
def tls_server(authority: Authority, names: list[str]) -> Iterator[TlsServer]:
    """Run a server whose certificate has *names*, and that asks clients for theirs without demanding it."""
    certificate, key = authority.issue(f"reporting-{'-'.join(names) or 'nobody'}", names)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    seen: dict[ssl.SSLSocket | ssl.SSLObject, str | None] = {}
    context.sni_callback = lambda connection, name, _context: seen.__setitem__(connection, name)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    plain, _ = listening.accept()
                    plain.settimeout(10)
                    with plain, context.wrap_socket(plain, server_side=True) as connection:
                        _answer(connection, seen.get(connection))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield TlsServer(listening.getsockname()[1])
        finally:
            ended.set()
            thread.join()


def _answer(connection: ssl.SSLSocket, sni: str | None) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return
        head += piece
    report = {
        "sni": sni or "",
        "certificate": bool(connection.getpeercert()),
        "alpn": connection.selected_alpn_protocol() or "",
        "is_http": head.startswith(b"GET "),
    }
    body = json.dumps(report).encode()
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
