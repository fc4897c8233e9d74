"""A node without HTTP: it says its name and each line that it was sent; or speaks first, as databases do.

``python -m bench.stack.nodes.bytes_server SETTINGS`` serves until SIGTERM: beside this process the socket
that it inherits, in a container a port of its own. Why not nginx: its ``return`` closes without having read
the line, and the client gets a reset, not the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FLUSH_INTERVAL_S = 0.2
_LONGEST_LINE = 1 << 20
_GREETING = b"ready"


@dataclass(frozen=True, slots=True)
class Settings:
    """What it serves; paths count from the folder that it is started in."""

    name: str
    access_log: str
    descriptor: int | None = None
    """Of the listening socket that it inherits; None: it opens one for all addresses on ``port``."""
    port: int = 0
    greets: bool = False
    server: str | None = None
    """Folder of ``server.crt`` and ``server.key``; None: no TLS."""
    trust: str | None = None
    """Folder of ``ca.crt``, of clients that must present a certificate; None: no client must."""

    def write(self, file: Path) -> None:
        """Write them for the server."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


class _Log:
    """One line for each exchange, in the form of nginx's log; in its file after a moment."""

    def __init__(self, settings: Settings) -> None:
        self._file = Path(settings.access_log).open("a", encoding="utf-8")  # noqa: SIM115 - open until the end
        self._name = settings.name
        self._connections = 0

    def connection(self) -> int:
        """A new number."""
        self._connections += 1
        return self._connections

    def add(
        self, connection: int, exchange: int, sent: int, seconds: float, tls: ssl.SSLObject | None
    ) -> None:
        """Note one exchange."""
        peer: dict[str, Any] = dict(tls.getpeercert() or {}) if tls is not None else {}
        subject = ",".join(f"{key}={value}" for part in peer.get("subject", ()) for key, value in part)
        line = {
            "time": f"{datetime.now(UTC).timestamp():.3f}",
            "node": self._name,
            "id": "",
            "status": "200",
            "method": "",
            "host": "",
            "uri": "",
            "bytes": str(sent),
            "request_time": f"{seconds:.3f}",
            "connection": str(connection),
            "connection_requests": str(exchange),
            "client_verify": "SUCCESS" if peer else "NONE",
            "client_subject": subject,
            "client_serial": str(peer.get("serialNumber", "")),
            "tls_version": (tls.version() or "") if tls is not None else "",
            "cipher": (tls.cipher() or ("",))[0] if tls is not None else "",
            "server_name": getattr(tls, "asked_for", "") if tls is not None else "",
            "session_reused": "r" if tls is not None and tls.session_reused else ".",
        }
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Put into the file what there is."""
        self._file.flush()


async def _serve(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, over.set)
    log = _Log(settings)
    name = settings.name.encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, exchange, began = log.connection(), 0, time.monotonic()
        tls = writer.get_extra_info("ssl_object")
        try:
            if settings.greets:
                answer = b"%b %b\n" % (name, _GREETING)
                writer.write(answer)
                log.add(number, 1, len(answer), time.monotonic() - began, tls)
            while not settings.greets and (line := await reader.readline()):
                exchange += 1
                answer = b"%b %b" % (name, line if line.endswith(b"\n") else line + b"\n")
                writer.write(answer)
                log.add(number, exchange, len(answer), time.monotonic() - began, tls)
                await writer.drain()
                began = time.monotonic()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    context = _context(settings)
    loop.add_signal_handler(signal.SIGHUP, _load, context, settings)
    listener = _listener(settings)
    listener.setblocking(False)
    server = await asyncio.start_server(serve, sock=listener, ssl=context, limit=_LONGEST_LINE, backlog=4096)
    async with server:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), FLUSH_INTERVAL_S)
            log.flush()


def _listener(settings: Settings) -> socket.socket:
    if settings.descriptor is not None:
        return socket.socket(fileno=settings.descriptor)
    return socket.create_server(("", settings.port), backlog=4096)


def _context(settings: Settings) -> ssl.SSLContext | None:
    if settings.server is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, settings)
    context.sni_callback = _remember
    if settings.trust is not None:
        context.load_verify_locations(f"{settings.trust}/ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load(context: ssl.SSLContext | None, settings: Settings) -> None:
    """Serve with the certificate that lies there now."""
    if context is not None:
        context.load_cert_chain(f"{settings.server}/server.crt", f"{settings.server}/server.key")


def _remember(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    """Keep the name that a client asks for, for the log."""
    tls.asked_for = name or ""  # type: ignore[union-attr]


def main() -> None:
    """Serve as the settings in the file named on the command line say."""
    settings = Settings(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    asyncio.run(_serve(settings))


if __name__ == "__main__":
    main()
