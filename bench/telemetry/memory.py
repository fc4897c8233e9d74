"""The peak of memory while something runs: of each part, and of all processes of the run together."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import psutil

from bench.errors import MeasurementError
from bench.telemetry.usage import family_of, memory_bytes

INTERVAL_S = 1.0
"""One look costs about a millisecond for each process."""


class MemorySampler:
    """A thread that looks at memory once a second, and once at the start and at the end.

    The total covers this process and all its descendants: proxies, nodes, load workers, the suite itself.
    """

    def __init__(
        self, parts: Mapping[str, int | None] | None = None, *, interval_s: float = INTERVAL_S
    ) -> None:
        """Prepare.

        Args:
            parts: component name -> process id; parts without an id are not looked at.
            interval_s: between two looks.
        """
        self._parts = {name: pid for name, pid in (parts or {}).items() if pid is not None}
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._peak: int | None = None
        self._peaks: dict[str, int] = {}
        self.samples = 0
        """Looks so far."""

    @property
    def peak_bytes(self) -> int | None:
        """The largest total seen; None before the first look."""
        return self._peak

    @property
    def peaks(self) -> dict[str, int]:
        """Part -> its own largest value; parts that were never seen alive are missing."""
        with self._lock:
            return dict(self._peaks)

    def start(self) -> None:
        """Look once and start the thread."""
        self.look()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="memory sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and look once more. Safe to call twice."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            self.look()

    def look(self) -> None:
        """Take one sample."""
        seen = {process.pid: process for process in family_of(os.getpid(), "egress-bench")}
        sizes = {pid: memory_bytes(process) for pid, process in seen.items()}
        parts = {name: self._size_of(pid, sizes) for name, pid in self._parts.items()}
        # A stack's parts may run elsewhere than below this process.
        total = sum(sizes.values())
        with self._lock:
            self.samples += 1
            self._peak = max(self._peak or 0, total)
            for name, size in parts.items():
                if size is not None:
                    self._peaks[name] = max(self._peaks.get(name, 0), size)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            # A process that ends in the middle of a look is nothing to stop for.
            try:
                self.look()
            except (MeasurementError, psutil.Error):
                continue

    @staticmethod
    def _size_of(pid: int, sizes: dict[int, int]) -> int | None:
        try:
            family = family_of(pid, "part")
        except MeasurementError:
            return None
        for process in family:
            if process.pid not in sizes:
                sizes[process.pid] = memory_bytes(process)
        return sum(sizes[process.pid] for process in family)
