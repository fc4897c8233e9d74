"""A road to a node that takes longer: bytes from the node arrive later by a fixed time."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from bench.placement import Address

_CHUNK = 65_536


class SlowRelay:
    """Relays TCP connections to one address and delays what comes back; stops with ``stop``."""

    def __init__(self, target: Address, delay_s: float, *, host: str = "127.0.0.1") -> None:
        """Listen on a free port of *host*, an address of this machine, at once."""
        self._target = target
        self._delay_s = delay_s
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address: Address = (host, 0)
        self._thread = threading.Thread(target=self._run, name="slow-relay", daemon=True)
        self._thread.start()
        self._is_up.wait(5.0)

    def stop(self) -> None:
        """Close everything."""
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
        with contextlib.suppress(OSError, asyncio.CancelledError):
            up_reader, up_writer = await asyncio.open_connection(*self._target)
            await asyncio.gather(
                self._pump(reader, up_writer, 0.0), self._pump(up_reader, writer, self._delay_s)
            )

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float) -> None:
        """Each piece waits on its own, so that a busy connection is late and not slow."""
        try:
            while data := await source.read(_CHUNK):
                if delay_s:
                    self._loop.call_later(delay_s, sink.write, data)
                else:
                    sink.write(data)
                    await sink.drain()
            await asyncio.sleep(delay_s)
        finally:
            sink.close()
