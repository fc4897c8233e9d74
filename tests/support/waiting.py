"""One way to wait: for a fact, with patience, since no test may fail because the machine is slow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 120.0
"""Long enough for a machine with ten times too much to do; a fact that comes is not waited for any longer."""

T = TypeVar("T")


def wait_until(
    fact: Callable[[], T],
    *,
    timeout_s: float = PATIENCE_S,
    every_s: float = 0.02,
    failure: Callable[[], object] = lambda: "waited in vain",
) -> T:
    """Give what *fact* answers as soon as it is true; fail with *failure* when patience ends.

    A connection that is refused or cut meanwhile counts as not yet.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = fact()
        except OSError:
            if time.monotonic() > deadline:
                raise
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, failure()
        time.sleep(every_s)
