"""What the process that runs an engine lends it: an event loop, and epoll where the system has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

READABLE: Final = 1
WRITABLE: Final = 2
"""An event loop's flags, as libev's."""


class Watcher(Protocol):
    """Calls back until it is stopped."""

    def start(self, callback: Callable[..., None], *args: Any) -> None:
        """Begin; *callback* gets *args*."""

    def stop(self) -> None:
        """Call no more."""

    def close(self) -> None:
        """Give back what it holds."""


class EventLoop(Protocol):
    """The part of gevent's loop that an engine uses."""

    def io(self, fd: int, events: int) -> Watcher:
        """Watch a descriptor for ``READABLE``, ``WRITABLE`` or both."""

    def timer(self, after: float) -> Watcher:
        """Call once, *after* seconds from now."""

    def update_now(self) -> None:
        """Look at the clock again."""


class Epoll(Protocol):
    """The part of ``select.epoll`` that an engine uses."""

    def fileno(self) -> int:
        """Its own descriptor."""

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        """What is ready."""

    def register(self, fd: int, eventmask: int, /) -> None:
        """Watch a descriptor."""

    def modify(self, fd: int, eventmask: int, /) -> None:
        """Watch it for other events."""

    def unregister(self, fd: int, /) -> None:
        """Stop watching it."""

    def close(self) -> None:
        """Give it back."""


@dataclass(frozen=True, slots=True)
class Host:
    """Handed in, so that an engine needs neither gevent nor Locust."""

    loop: EventLoop
    new_epoll: Callable[[], Epoll] | None = None
    """None where the system has no epoll: sockets are then watched one by one."""
