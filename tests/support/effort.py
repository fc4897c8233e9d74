"""How much work something does, in function calls: the same number on a fast, a slow and a busy machine."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls of functions, Python's and built-in ones, while *work* runs."""
    count = 0

    def seen(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    # What a collection of garbage finalizes is not part of the work.
    gc.collect()
    gc.disable()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def growth(work: Callable[[int], Callable[[], object]], *, size: int) -> float:
    """Give how many times more calls twice the size takes: 2 is linear, 4 is quadratic.

    Args:
        work: prepares the work for a size and gives the part that is counted.
        size: the smaller of the two sizes.
    """
    calls_of(work(max(1, size // 10)))
    return calls_of(work(2 * size)) / calls_of(work(size))
