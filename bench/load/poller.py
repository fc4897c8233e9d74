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

READ: Final = 1
WRITE: Final = 4
"""As EPOLLIN and EPOLLOUT; libev's write flag is 2."""
ERROR: Final = 8 | 16
EDGE: Final = 1 << 31


class Poller(Protocol):
    """Readiness of many sockets."""

    def register(self, fd: int, events: int) -> None:
        """Begin to watch *fd*."""

    def modify(self, fd: int, events: int) -> None:
        """Watch *fd* for other events."""

    def unregister(self, fd: int) -> None:
        """Stop watching *fd*, before it is closed."""

    def close(self) -> None:
        """Give back what it holds."""


class EpollPoller:
    """An epoll whose own descriptor gevent's loop watches: *wake* is called when something can be polled."""

    def __init__(self, loop: Any, wake: Callable[[], None]) -> None:
        # Locust's monkey patching takes epoll out of the select module.
        self._epoll = monkey.get_original("select", "epoll")()
        self._watcher = loop.io(self._epoll.fileno(), 1)
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister
        self.poll = self._epoll.poll
        self._watcher.start(wake)

    def close(self) -> None:
        """Stop watching and close."""
        self._watcher.stop()
        self._watcher.close()
        self._epoll.close()


class WatcherPoller:
    """One watcher of gevent's loop for each socket: *ready* is called with descriptor and events awaited."""

    def __init__(self, loop: Any, ready: Callable[[int, int], None]) -> None:
        self._loop = loop
        self._ready = ready
        self._watchers: dict[int, Any] = {}

    def register(self, fd: int, events: int) -> None:
        """Begin to watch *fd*."""
        flags = (1 if events & READ else 0) | (2 if events & WRITE else 0)
        watcher = self._loop.io(fd, flags)
        watcher.start(self._ready, fd, events & (READ | WRITE))
        self._watchers[fd] = watcher

    def modify(self, fd: int, events: int) -> None:
        """Watch *fd* for other events."""
        self.unregister(fd)
        self.register(fd, events)

    def unregister(self, fd: int) -> None:
        """Stop watching *fd*."""
        watcher = self._watchers.pop(fd, None)
        if watcher is not None:
            watcher.stop()
            watcher.close()

    def close(self) -> None:
        """Stop all watchers."""
        for fd in list(self._watchers):
            self.unregister(fd)


def has_epoll() -> bool:
    """Whether this system has epoll."""
    return sys.platform == "linux"
