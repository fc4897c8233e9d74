"""The worker processes of a running nginx: which there are, and when a reload has replaced them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psutil

from bench.errors import StackError

_RELOAD_S = 20.0
_POLL_S = 0.01


def is_running(pid: int) -> bool:
    """Whether a process is there; a zombie is not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def children_of(pid: int) -> set[int]:
    """Ids of the living children of a process; one that ends while it is looked at is none."""
    found = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    found.add(child.pid)
    return found


def await_new_workers(node: str, master: int, old: set[int], last_output: Callable[[], str]) -> None:
    """Return when an nginx that was asked to reload serves with new workers alone.

    Raises:
        StackError: it goes on with the old ones: its configuration was not taken, or one does not end.
    """
    deadline = time.monotonic() + _RELOAD_S
    while True:
        now = children_of(master)
        if now and not now & old:
            return
        if time.monotonic() >= deadline:
            what = "an old worker has not ended" if now - old else "it did not take its new configuration"
            raise StackError(f"{node}: {what} within {_RELOAD_S:g} s. It said:\n{last_output()}")
        time.sleep(_POLL_S)
