"""Relays between gateway and nodes that count bytes: what a handshake puts on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, replace

from bench.placement import Address, Placement

_CHUNK = 65_536


@dataclass(slots=True)
class Carried:
    """Bytes of one connection; complete when it is closed."""

    sent: int = 0
    """From the gateway to the node."""
    received: int = 0
    is_closed: bool = False


class CountingRelays:
    """One relay for each node, made when the addresses are known; stops with ``stop``."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        """Listen on nothing yet; *host* is an address of this machine that the gateway reaches."""
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._servers: list[asyncio.Server] = []
        self.connections: list[Carried] = []

    def detour(self, placement: Placement) -> Placement:
        """The placement with a relay before each endpoint that has a stand-in."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="counting-relays", daemon=True
            )
            self._thread.start()
        return replace(
            placement, endpoints={played: self._relay(real) for played, real in placement.endpoints.items()}
        )

    def totals(self) -> tuple[int, int]:
        """Bytes sent and received over all connections so far."""
        return sum(each.sent for each in self.connections), sum(each.received for each in self.connections)

    def closed(self) -> list[Carried]:
        """The connections that are complete."""
        return [each for each in self.connections if each.is_closed]

    def stop(self) -> None:
        """Close everything."""
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()

    def _relay(self, target: Address) -> Address:
        async def listen() -> Address:
            server = await asyncio.start_server(
                lambda reader, writer: self._serve(target, reader, writer), self._host, 0
            )
            self._servers.append(server)
            host, port = server.sockets[0].getsockname()[:2]
            return str(host), int(port)

        return asyncio.run_coroutine_threadsafe(listen(), self._loop).result(5.0)

    async def _serve(
        self, target: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        carried = Carried()
        self.connections.append(carried)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            up_reader, up_writer = await asyncio.open_connection(*target)
            await asyncio.gather(
                _pump(reader, up_writer, carried, is_sent=True),
                _pump(up_reader, writer, carried, is_sent=False),
            )
        carried.is_closed = True

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [task for task in asyncio.all_tasks(self._loop) if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, carried: Carried, *, is_sent: bool
) -> None:
    try:
        while data := await source.read(_CHUNK):
            if is_sent:
                carried.sent += len(data)
            else:
                carried.received += len(data)
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()
