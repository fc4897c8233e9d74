"""The pace of the machine while something else is measured: bare signatures, which are no part of the stack.

A guest of a virtual machine shares cores and caches with guests that it cannot see, and no counter says so:
the same work takes more CPU time. Signatures fit into a core's own caches: what else runs here moves them
little.
"""

from __future__ import annotations

import statistics
import threading
import time
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_SIGNATURES = 10
_EVERY_S = 0.5


class PaceClock:
    """Beside what is measured: half a hundredth of a processor, twice a second."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
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
    def cpu_us(self) -> float:
        """Mean CPU time of a signature, microseconds; more is slower."""
        return statistics.mean(self._cpu_s) * 1e6

    def sample(self) -> None:
        """Take one now."""
        began = time.thread_time()
        for _ in range(_SIGNATURES):
            self._key.sign(b"pace", padding.PKCS1v15(), hashes.SHA256())
        self._cpu_s.append((time.thread_time() - began) / _SIGNATURES)

    def _sample(self) -> None:
        while True:
            self.sample()
            if self._end.wait(_EVERY_S):
                return
