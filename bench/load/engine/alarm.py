"""The alarm for the next request: a little early, since timer and scheduler latency would add up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from bench.load.engine.host import EventLoop
from bench.load.engine.poller import EDGE, READ, EpollPoller
from bench.load.engine.timer import LoopTimer, Timer, TimerFd, has_timerfd

NEVER: Final = math.inf
MOST_EARLY_S: Final = 60e-6
"""Nothing to do and a request due so soon: polling beats sleeping, as long as there is credit."""
_USUALLY_LATE_S: Final = 20e-6
_NOT_ITS_LATENESS_S: Final = 0.001
"""What comes so late was held up by something else than the timer."""


class Alarm:
    """One alarm at a time; it learns how late alarms are on this machine."""

    def __init__(self, epoll: EpollPoller | None, loop: EventLoop, wake: Callable[[], None]) -> None:
        self._timer: Timer = _timer(epoll, loop, wake)
        self._armed = NEVER
        self._early = _USUALLY_LATE_S
        """How late alarms have been lately, s."""

    def arm(self, target: float, now: float, early: bool) -> None:
        """Wake for *target*; *early*, if the rest of the time may be spun away."""
        if target == NEVER:
            return
        at = max(now, target - self._early if early else target)
        if at != self._armed:
            self._armed = at
            self._timer.arm(at)

    def rang(self, now: float) -> None:
        """Learn from an alarm that came *now*."""
        late = now - self._armed
        self._armed = NEVER
        if 0 <= late < _NOT_ITS_LATENESS_S:
            self._early = min(MOST_EARLY_S, self._early + (late - self._early) / 16)

    def close(self) -> None:
        """Give back the timer."""
        self._timer.close()


def _timer(epoll: EpollPoller | None, loop: EventLoop, wake: Callable[[], None]) -> Timer:
    if epoll is None or not has_timerfd():
        return LoopTimer(loop, wake)
    timer = TimerFd()
    epoll.watch(timer.fd, READ | EDGE)
    return timer
