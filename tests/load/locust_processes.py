"""The Locust processes of a run, seen from outside."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import psutil

from tests.support import forked_locust
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
                is_forked = process.name().startswith(forked_locust.NAME)
                if is_forked or not environment or "EGRESS_BENCH_LIFELINE" in environment:
                    found.append(process)
    return found


def workers_in(folder: Path) -> list[psutil.Process]:
    """Those of a master's workers that are on this machine."""
    return [
        each
        for each in locust_processes(folder)
        if each.name() == forked_locust.WORKER or "--worker" in each.cmdline()
    ]


def wait_until_gone(folder: Path, timeout_s: float = PATIENCE_S) -> list[psutil.Process]:
    """Those that are left when there are none any more, or patience ends."""
    deadline = time.monotonic() + timeout_s
    while (left := locust_processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
