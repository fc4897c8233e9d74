"""Which sockets are ready: told by one libev watcher for each, or asked of an epoll of our own.

A watcher calls back for each answer without a line of Python in between: where answers come one by one, as in
a closed loop, nothing is cheaper. An epoll can be asked at any time, also while the engine spins until the
next request is due, and tells of all that is ready at once: what an open loop needs to be on time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

from gevent import monkey

from bench.load.engine.connection import Connection

READ: Final = 1
WRITE: Final = 4
"""As EPOLLIN and EPOLLOUT; libev's write flag is 2."""
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
    """An epoll whose own descriptor gevent's loop watches: *wake* is called when something can be polled."""

    def __init__(self, loop: Any, wake: Callable[[], None]) -> None:
        # Locust's monkey patching takes epoll out of the select module.
        self._epoll = monkey.get_original("select", "epoll")()
        self._watcher = loop.io(self._epoll.fileno(), 1)
        self.poll = self._epoll.poll
        self.watch = self._epoll.register
        """Watch a descriptor that is no connection's."""
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
    """One watcher of gevent's loop for each socket: *ready* is called with connection and events awaited."""

    def __init__(self, loop: Any, ready: Callable[[Connection, int], None]) -> None:
        self._loop = loop
        self._ready = ready
        self._watchers: dict[int, Any] = {}

    def register(self, conn: Connection, events: int) -> None:
        """Begin to watch the socket of *conn*."""
        flags = (1 if events & READ else 0) | (2 if events & WRITE else 0)
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


def has_epoll() -> bool:
    """Whether this system has epoll."""
    return sys.platform == "linux"
