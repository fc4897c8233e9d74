"""The peak of memory while something runs: of each part, and of all processes of the run together."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

from bench.errors import MeasurementError
from bench.telemetry.containers import processes_of
from bench.telemetry.usage import family_of, memory_bytes, process_cpu_s

INTERVAL_S = 1.0
"""One look costs about a millisecond for each process."""


@dataclass(frozen=True, slots=True)
class PartSample:
    """One look at one part."""

    at_s: float
    """On the monotonic clock."""
    part: str
    cpu_s: float | None
    """Of its living processes; None: one of them has just ended."""
    memory_bytes: int


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
        self._series: list[PartSample] = []
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

    @property
    def series(self) -> tuple[PartSample, ...]:
        """Every look at every part that was alive, in order."""
        with self._lock:
            return tuple(self._series)

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
        processes = {process.pid: process for process in family}
        members = {name: _below(pid, sizes, parents) for name, pid in self._parts.items()}
        parts = {name: sum(sizes[pid] for pid in pids) if pids else None for name, pids in members.items()}
        now = time.monotonic()
        seen = [
            PartSample(now, name, _cpu_of(processes[pid] for pid in members[name]), size)
            for name, size in parts.items()
            if size is not None
        ]
        total = sum(sizes.values())
        with self._lock:
            self.samples += 1
            self._series += seen
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


def _below(part: int, sizes: Mapping[int, int], parents: Mapping[int, int]) -> list[int]:
    """The processes of one part; none if it does not run below this process.

    From the list that was made already: asking for each part's children reads all of /proc each time.
    """
    if not sizes.get(part):
        return []
    found = []
    for pid in sizes:
        above: int | None = pid
        while above is not None and above != part:
            above = parents.get(above)
        if above == part:
            found.append(pid)
    return found


def _cpu_of(processes: Iterable[psutil.Process]) -> float | None:
    """CPU seconds of all; None if one of them has ended."""
    used = [process_cpu_s(process) for process in processes]
    known = [each for each in used if each is not None]
    return sum(known) if len(known) == len(used) else None
