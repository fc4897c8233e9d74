"""CPU time and memory of a process and its children, as the kernel accounts them."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.errors import MeasurementError

# clock_getcpuclockid(3) for another process, which Python does not offer: the kernel encodes the process id
# in the clock's number (CPUCLOCK_SCHED in include/linux/posix-timers.h).
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True, slots=True)
class Usage:
    """What one component has used."""

    cpu_seconds: float
    """User and system time of the process, its descendants, and the descendants that have ended."""
    memory_bytes: int
    """Proportional set size (Linux), else resident set size, summed over the same living processes."""
    processes: int


def read_usage(pids: Mapping[str, int | None]) -> dict[str, Usage | None]:
    """Read every component once; None for those without a process here.

    CPU times are read one right after the other, within microseconds, so that the edges of a measured window
    are the same for all.

    Raises:
        MeasurementError: a process has ended.
    """
    families = {name: family_of(pid, name) for name, pid in pids.items() if pid is not None}
    cpu = {name: _cpu_of(family, name) for name, family in families.items()}
    return {name: _usage(cpu[name], families[name]) if name in families else None for name in pids}


def usage_of(pid: int, name: str) -> Usage:
    """Read one component.

    Raises:
        MeasurementError: its process has ended: what it used is not known to the end.
    """
    family = family_of(pid, name)
    return _usage(_cpu_of(family, name), family)


def cpu_seconds(pid: int, name: str) -> float:
    """User and system time of a process, its descendants, and those of its children that have ended.

    On Linux to the nanosecond: the process's CPU-time clock, which is the exact sum that ``utime + stime`` of
    ``/proc/PID/stat`` rounds to hundredths of a second. Elsewhere as exact as the system is. The time of a
    child that has ended is known in hundredths only.

    Raises:
        MeasurementError: as ``usage_of``.
    """
    return _cpu_of(family_of(pid, name), name)


def family_of(pid: int, name: str) -> list[psutil.Process]:
    """A process and its living descendants, itself first.

    Raises:
        MeasurementError: it has ended.
    """
    try:
        head = psutil.Process(pid)
        if head.status() == psutil.STATUS_ZOMBIE:
            raise psutil.ZombieProcess(pid)
        return [head, *_descendants(head)]
    except psutil.Error as error:
        raise MeasurementError(
            f"{name} (process {pid}) has ended: what it used is not known to the end.",
            remedy="Its log says why.",
        ) from error


def _descendants(head: psutil.Process) -> list[psutil.Process]:
    """Living children, their children and so on.

    From the kernel's own lists where it keeps them (CONFIG_PROC_CHILDREN): psutil reads the parent of every
    process of the machine, for each part again, which was half of what a trial cost beside its load.
    """
    if not _lists_children():
        return list(head.children(recursive=True))
    found, waiting = [], [head.pid]
    while waiting:
        for pid in _children(waiting.pop()):
            # Ended since it was listed.
            with contextlib.suppress(psutil.Error):
                found.append(psutil.Process(pid))
                waiting.append(pid)
    return found


@functools.cache
def _lists_children() -> bool:
    """Whether this kernel keeps a list of each thread's children."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").exists()


def _children(pid: int) -> list[int]:
    """Of all threads of a process; none if it has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names only, a thousand times in a run
            # Threads end, too.
            with (
                contextlib.suppress(OSError),
                open(f"/proc/{pid}/task/{thread}/children", "rb") as file,  # noqa: PTH123
            ):
                found += map(int, file.read().split())
    return found


def memory_bytes(process: psutil.Process) -> int:
    """Proportional set size where the kernel reports it, else resident set size; 0 for an ended process.

    Proportional: a page that several processes share is divided among them, so that sums are true.
    """
    try:
        return _proportional(process.pid)
    except (OSError, ValueError):
        pass
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _usage(cpu: float, family: list[psutil.Process]) -> Usage:
    return Usage(cpu, sum(memory_bytes(process) for process in family), len(family))


def _proportional(pid: int) -> int:
    # Read here and not by psutil, which reads the long form, ten times as slow.
    with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123 - a thousand times in a run
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    raise ValueError(pid)


def _cpu_of(family: list[psutil.Process], name: str) -> float:
    head = family[0]
    try:
        reaped = head.cpu_times()
        used = _clock(head) + reaped.children_user + reaped.children_system
    except psutil.Error as error:
        raise MeasurementError(
            f"{name} (process {head.pid}) has ended.", remedy="Its log says why."
        ) from error
    for process in family[1:]:
        try:
            used += _clock(process)
        except psutil.Error:
            # Ended since the family was listed: from now on among its parent's ended children.
            continue
    return used


def process_cpu_s(process: psutil.Process) -> float | None:
    """User and system time of this process alone; None: it has ended."""
    try:
        return _clock(process)
    except psutil.Error:
        return None


def _clock(process: psutil.Process) -> float:
    if sys.platform == "linux":
        try:
            return time.clock_gettime((~process.pid << 3) | _CPUCLOCK_SCHED)
        except OSError:
            # A kernel or sandbox without it: fall back on the rounded figures.
            pass
    times = process.cpu_times()
    return float(times.user + times.system)
