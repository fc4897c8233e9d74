"""The pace of the machine while something else is measured: a bare loop, which shares nothing with the stack.

A guest of a virtual machine loses caches and memory bandwidth to guests that it cannot see, and no counter
says so: the same work takes more CPU time. Proxies live from caches, so the loop is one over memory.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import numpy as np

_VALUES = 2_000_000
"""16 MB, and as much for the order: more than a core has for itself."""
_STRETCH = 40_000
"""Values in one go: about 0.2 ms."""
_STRETCHES = 50
_EVERY_S = 1.0
_SEED = 7


class PaceClock:
    """Beside what is measured: a hundredth of a processor, once a second."""

    def __init__(self) -> None:
        lot = np.random.default_rng(_SEED)
        self._values = np.arange(_VALUES)
        self._order = lot.permutation(_VALUES)
        self._cpu_s: list[float] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="pace", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    @property
    def cpu_s(self) -> float:
        """Mean CPU seconds for the same stretch of work; more is slower."""
        return float(np.mean(self._cpu_s))

    def _sample(self) -> None:
        while True:
            began = time.thread_time()
            for number in range(_STRETCHES):
                start = number * _STRETCH % _VALUES
                self._values[self._order[start : start + _STRETCH]].sum()
            self._cpu_s.append(time.thread_time() - began)
            if self._end.wait(_EVERY_S):
                return
