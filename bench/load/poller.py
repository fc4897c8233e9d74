"""Which sockets are ready: one epoll inside gevent's loop, or one libev watcher for each socket.

With an epoll of our own, gevent's loop watches one descriptor and one callback serves all sockets that are
ready; a watcher for each socket costs a callback for each answer.
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

    def start(self, wake: Callable[[], None]) -> None:
        """Call *wake* from the loop whenever something is ready."""

    def register(self, fd: int, events: int) -> None:
        """Begin to watch *fd*."""

    def modify(self, fd: int, events: int) -> None:
        """Watch *fd* for other events."""

    def unregister(self, fd: int) -> None:
        """Stop watching *fd*, before it is closed."""

    def poll(self, timeout: float, maximum: int) -> list[tuple[int, int]]:
        """What is ready now: descriptors and events."""

    def close(self) -> None:
        """Give back what it holds."""


class EpollPoller:
    """An epoll whose own descriptor is watched by gevent's loop."""

    def __init__(self, loop: Any) -> None:
        # Locust's monkey patching takes epoll out of the select module.
        self._epoll = monkey.get_original("select", "epoll")()
        self._watcher = loop.io(self._epoll.fileno(), 1)
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister
        self.poll = self._epoll.poll

    def start(self, wake: Callable[[], None]) -> None:
        """Call *wake* whenever something is ready."""
        self._watcher.start(wake)

    def close(self) -> None:
        """Stop watching and close."""
        self._watcher.stop()
        self._watcher.close()
        self._epoll.close()


class WatcherPoller:
    """One watcher of gevent's loop for each socket; for systems without epoll."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._watchers: dict[int, Any] = {}
        self._ready: dict[int, int] = {}
        self._wake: Callable[[], None] | None = None
        self._scheduled = False

    def start(self, wake: Callable[[], None]) -> None:
        """Call *wake* once for all that became ready in one turn of the loop."""
        self._wake = wake

    def register(self, fd: int, events: int) -> None:
        """Begin to watch *fd*."""
        flags = (1 if events & READ else 0) | (2 if events & WRITE else 0)
        watcher = self._loop.io(fd, flags)
        watcher.start(self._found, fd, events & (READ | WRITE))
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
        self._ready.pop(fd, None)

    def poll(self, timeout: float, maximum: int) -> list[tuple[int, int]]:  # noqa: ARG002 - never waits
        """What became ready in this turn of the loop."""
        ready = list(self._ready.items())
        self._ready.clear()
        return ready

    def close(self) -> None:
        """Stop all watchers."""
        for fd in list(self._watchers):
            self.unregister(fd)

    def _found(self, fd: int, events: int) -> None:
        self._ready[fd] = self._ready.get(fd, 0) | events
        if not self._scheduled and self._wake is not None:
            self._scheduled = True
            self._loop.run_callback(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._wake is not None:
            self._wake()


def has_epoll() -> bool:
    """Whether this system has epoll."""
    return sys.platform == "linux"
