"""Let SIGTERM and SIGHUP end a run as Ctrl-C does: by an exception that passes every ``finally``."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


class TerminatedError(KeyboardInterrupt):
    """The process was asked to end by a signal other than Ctrl-C's."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"ended by {signal.Signals(number).name}")


@contextlib.contextmanager
def terminations_raise() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into ``TerminatedError`` while the block runs; main thread only.

    Without it they end Python at once; the guard still clears up then, but nothing is written any more.
    """

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the form of a handler
        raise TerminatedError(number)

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number, handler in before.items():
        # nohup asks to survive the terminal: that is respected.
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: set by foreign code and not restorable.
            if handler is not None:
                signal.signal(number, handler)
