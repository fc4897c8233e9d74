"""The Locust processes of a run, seen from outside."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import psutil

from tests.support.waiting import PATIENCE_S


def locust_processes(folder: Path) -> list[psutil.Process]:
    """Those that work in *folder* or below, from the moment at which they are started.

    While the kernel replaces a forked process's program, its folder is set already, its environment is empty,
    and whoever started it goes on.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                environment = process.environ()
                if not environment or "EGRESS_BENCH_LIFELINE" in environment:
                    found.append(process)
    return found


def wait_until_gone(folder: Path, timeout_s: float = PATIENCE_S) -> list[psutil.Process]:
    """Those that are left when there are none any more, or patience ends."""
    deadline = time.monotonic() + timeout_s
    while (left := locust_processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
