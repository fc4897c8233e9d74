"""The threads that requests run on, each with the time it ran and the time it waited for a processor.

A part as a whole hides one worker that is full beside others that are idle, and on a busy machine a worker
that wants a processor all the time gets it only now and then: both are read here, from the scheduler's own
books (``schedstat`` of a thread: nanoseconds on a processor, nanoseconds runnable and waiting for one).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import MeasurementError
from bench.telemetry.usage import family_of

_PROC = Path("/proc")
_ENVOY_WORKER = "wrk:worker_"
"""How Envoy calls its worker threads; the kernel cuts names at 15 characters."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One thread since it started."""

    name: str
    ran_s: float
    waited_s: float
    """Runnable, and without a processor: others had it."""


def read_lanes(pid: int, kind: Literal["envoy", "nginx"], *, proc: Path = _PROC) -> tuple[Lane, ...]:
    """Worker threads of an Envoy, worker processes of an nginx; none where the kernel has no such books.

    Args:
        pid: the part's first process.
        kind: what it is.
        proc: where processes are shown.
    """
    with contextlib.suppress(MeasurementError):
        pids = [process.pid for process in family_of(pid, kind)]
        lanes = _envoy_workers(pids, proc) if kind == "envoy" else _processes(pids, proc)
        return tuple(sorted(lanes, key=lambda lane: lane.name))
    return ()


def _envoy_workers(pids: list[int], proc: Path) -> Iterator[Lane]:
    for pid in pids:
        # Threads and processes end while they are read.
        with contextlib.suppress(OSError, ValueError):
            for thread in os.listdir(proc / str(pid) / "task"):  # noqa: PTH208 - names only
                folder = proc / str(pid) / "task" / thread
                name = (folder / "comm").read_text(encoding="utf-8").strip()
                if name.startswith(_ENVOY_WORKER):
                    yield _lane(name.removeprefix("wrk:"), folder)


def _processes(pids: list[int], proc: Path) -> Iterator[Lane]:
    """The master only looks after the others; where it is alone it does the work."""
    for pid in pids[1:] or pids:
        with contextlib.suppress(OSError, ValueError):
            yield _lane(f"process {pid}", proc / str(pid))


def _lane(name: str, folder: Path) -> Lane:
    ran, waited, _ = (folder / "schedstat").read_text(encoding="ascii").split()
    return Lane(name, int(ran) / 1e9, int(waited) / 1e9)
