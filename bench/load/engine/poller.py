"""Which sockets are ready: by one watcher of the event loop for each, or from an epoll of our own.

A watcher calls back for each answer without a line of Python in between: where answers come one by one, as in
a closed loop, nothing is cheaper. An epoll can be asked at any time, also while the engine spins until the
next request is due, and reports all that is ready at once: what an open loop needs to be on time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from bench.load.engine.connection import Connection
from bench.load.engine.host import READABLE, WRITABLE, Epoll, EventLoop

READ: Final = 1
WRITE: Final = 4
"""As EPOLLIN and EPOLLOUT."""
ERROR: Final = 8 | 16
EDGE: Final = 1 << 31


class Poller(Protocol):
    """Readiness of many connections."""

    def register(self, conn: Connection, events: int) -> None:
        """Begin to watch the socket of *conn*."""

    def modify(self, conn: Connection, events: int) -> None:
        """Watch it for other events."""

    def unregister(self, conn: Connection) -> None:
        """Stop watching it, before it is closed."""

    def close(self) -> None:
        """Give back what it holds."""


class EpollPoller:
    """An epoll whose own descriptor the event loop watches: *wake* is called when something can be polled."""

    def __init__(self, loop: EventLoop, epoll: Epoll, wake: Callable[[], None]) -> None:
        self._epoll = epoll
        self._watcher = loop.io(epoll.fileno(), READABLE)
        self.poll = epoll.poll
        self.watch = epoll.register
        """Watch a descriptor that is not a connection's."""
        self._watcher.start(wake)

    def register(self, conn: Connection, events: int) -> None:
        """Begin to watch the socket of *conn*."""
        self._epoll.register(conn.fd, events)

    def modify(self, conn: Connection, events: int) -> None:
        """Watch it for other events."""
        self._epoll.modify(conn.fd, events)

    def unregister(self, conn: Connection) -> None:
        """Stop watching it."""
        self._epoll.unregister(conn.fd)

    def close(self) -> None:
        """Stop watching and close."""
        self._watcher.stop()
        self._watcher.close()
        self._epoll.close()


class WatcherPoller:
    """One watcher of the event loop for each socket: *ready* is called with connection and events awaited."""

    def __init__(self, loop: EventLoop, ready: Callable[[Connection, int], None]) -> None:
        self._loop = loop
        self._ready = ready
        self._watchers: dict[int, Any] = {}

    def register(self, conn: Connection, events: int) -> None:
        """Begin to watch the socket of *conn*."""
        flags = (READABLE if events & READ else 0) | (WRITABLE if events & WRITE else 0)
        watcher = self._loop.io(conn.fd, flags)
        watcher.start(self._ready, conn, events & (READ | WRITE))
        self._watchers[conn.fd] = watcher

    def modify(self, conn: Connection, events: int) -> None:
        """Watch it for other events."""
        self.unregister(conn)
        self.register(conn, events)

    def unregister(self, conn: Connection) -> None:
        """Stop watching it."""
        watcher = self._watchers.pop(conn.fd, None)
        if watcher is not None:
            watcher.stop()
            watcher.close()

    def close(self) -> None:
        """Stop all watchers."""
        for watcher in self._watchers.values():
            watcher.stop()
            watcher.close()
        self._watchers.clear()
