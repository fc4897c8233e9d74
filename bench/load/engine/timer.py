"""Wake-ups at absolute times: timerfd where there is one, the event loop's own timer elsewhere."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from bench.load.engine.host import EventLoop

_CLOCK_MONOTONIC: Final = 1
_NONBLOCK: Final = 0o4000
_CLOEXEC: Final = 0o2000000
_ABSTIME: Final = 1


class Timer(Protocol):
    """One alarm at a time."""

    def arm(self, at: float) -> None:
        """Wake at *at* on the monotonic clock, at once if that is past; replaces an earlier alarm."""

    def close(self) -> None:
        """Give back what it holds."""


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerFd:
    """A Linux timerfd, to be watched edge-triggered: each ``arm`` makes it readable once more.

    Python has ``os.timerfd_create`` only from 3.13 on.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self.fd: Final[int] = libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Itimerspec()
        self._value = self._spec.value
        self._pointer = ctypes.addressof(self._spec)

    def arm(self, at: float) -> None:
        """Wake at *at*."""
        seconds = int(at)
        self._value.seconds = seconds
        # All zero would disarm.
        self._value.nanoseconds = int((at - seconds) * 1e9) or 1
        if self._settime(self.fd, _ABSTIME, self._pointer, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


class LoopTimer:
    """The event loop's timer: works everywhere, about a millisecond coarse."""

    def __init__(self, loop: EventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._timer: Any = None

    def arm(self, at: float) -> None:
        """Wake at *at*."""
        self.close()
        # The loop may count from the time at which it last looked at the clock, as libev does.
        self._loop.update_now()
        self._timer = self._loop.timer(max(0.0, at - time.monotonic()))
        self._timer.start(self._wake)

    def close(self) -> None:
        """Forget the alarm."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


def has_timerfd() -> bool:
    """Whether this system has timerfd."""
    return sys.platform == "linux"
