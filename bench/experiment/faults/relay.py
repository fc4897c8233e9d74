"""A road of TCP connections to one address, which may be slow, or end connections as requests come."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

from bench.placement import Address

_CHUNK = 65_536
_GRACE_S = 1.0
"""For connections to end by themselves: what leads here no longer must break no request."""
_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: the peer gets a reset, as from a socket that is no longer there."""


def _at_once() -> float:
    return 0.0


def _never(_: int) -> bool:
    return False


class Relay:
    """Relays TCP connections to one address in a thread of its own; stops with ``stop``."""

    def __init__(
        self,
        target: Address,
        *,
        host: str = "127.0.0.1",
        delay_s: Callable[[], float] = _at_once,
        cuts: Callable[[int], bool] = _never,
    ) -> None:
        """Listen on a free port of *host*, an address of this machine, at once.

        Args:
            target: where connections lead.
            host: where to listen.
            delay_s: by how much the next piece from the target comes later.
            cuts: whether the connection ends instead of delivering its piece number N to the target.
        """
        self._target = target
        self._delay_s = delay_s
        self._cuts = cuts
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._open = 0
        self.address: Address = (host, 0)
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()
        self._is_up.wait(5.0)

    def stop(self) -> None:
        """Close everything, what still carries requests after a second."""
        deadline = time.monotonic() + _GRACE_S
        while self._open and time.monotonic() < deadline:
            time.sleep(0.02)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)

    def _run(self) -> None:
        host, _ = self.address
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, host, 0))
        self.address = (host, server.sockets[0].getsockname()[1])
        self._is_up.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0.05))
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError, ValueError):
            self._open += 1
            try:
                up_reader, up_writer = await asyncio.open_connection(*self._target)
                await self._between(reader, writer, up_reader, up_writer)
            finally:
                self._open -= 1
                writer.close()

    async def _between(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        await asyncio.gather(self._forth(reader, up_writer, writer), self._back(up_reader, writer))

    async def _forth(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        number = 0
        try:
            while data := await source.read(_CHUNK):
                number += 1
                if self._cuts(number):
                    _reset(back)
                    return
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()

    async def _back(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Each piece waits on its own, so that a busy connection is late and not slow; none overtakes."""
        last = 0.0
        try:
            while data := await source.read(_CHUNK):
                last = max(last, self._loop.time() + self._delay_s())
                if last > self._loop.time():
                    self._loop.call_at(last, _write, sink, data)
                else:
                    sink.write(data)
            await asyncio.sleep(max(0.0, last - self._loop.time()))
        finally:
            sink.close()


def _write(sink: asyncio.StreamWriter, data: bytes) -> None:
    if not sink.is_closing():
        sink.write(data)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
