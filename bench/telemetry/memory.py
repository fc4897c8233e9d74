"""The peak of memory while something runs: of each part, and of all processes of the run together."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil

from bench.errors import MeasurementError
from bench.telemetry.containers import processes_of
from bench.telemetry.usage import family_of, memory_bytes

INTERVAL_S = 1.0
"""One look costs about a millisecond for each process."""


class MemorySampler:
    """A thread that looks at memory once a second, and once at the start and at the end.

    The total covers this process and all its descendants: proxies, nodes, load workers, the suite itself; and
    all processes of the containers that it is given.
    """

    def __init__(
        self,
        parts: Mapping[str, int | None] | None = None,
        *,
        containers: Sequence[int] = (),
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Prepare.

        Args:
            parts: component name -> process id, below this process or in one of the containers; parts without
                an id are not looked at.
            containers: id of the first process of each container of the run.
            interval_s: between two looks.
        """
        self._parts = {name: pid for name, pid in (parts or {}).items() if pid is not None}
        self._containers = tuple(containers)
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
        family = [*family_of(os.getpid(), "egress-bench"), *_members(self._containers)]
        sizes = {process.pid: memory_bytes(process) for process in family}
        parents = _parents(family)
        parts = {name: _size_of(pid, sizes, parents) for name, pid in self._parts.items()}
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


def _members(containers: Sequence[int]) -> list[psutil.Process]:
    members = []
    for first in containers:
        for pid in processes_of(first):
            # Ended since it was listed.
            with contextlib.suppress(psutil.Error):
                members.append(psutil.Process(pid))
    return members


def _parents(family: list[psutil.Process]) -> dict[int, int]:
    parents = {}
    for process in family:
        with contextlib.suppress(psutil.Error):
            parents[process.pid] = process.ppid()
    return parents


def _size_of(part: int, sizes: Mapping[int, int], parents: Mapping[int, int]) -> int | None:
    """The size of one part with its descendants; None if it does not run below this process.

    From the list that was made already: asking for each part's children reads all of /proc each time.
    """
    if not sizes.get(part):
        return None
    total = 0
    for pid, size in sizes.items():
        above: int | None = pid
        while above is not None and above != part:
            above = parents.get(above)
        if above == part:
            total += size
    return total
