"""Faults over the processes of a local stack: end, freeze, reload, rewrite; and the way back from each.

The same words as for containers, see ``bench.stack.compose.faults``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Protocol

import psutil

from bench.errors import StackError
from bench.stack.local import LocalStack

_RELOAD_S = 5.0
_POLL_S = 0.01


class PartFaults(Protocol):
    """What can be done to a part of a running stack."""

    def kill(self, part: str) -> None:
        """End a part at once, as a crash does; it is not told as dead until it runs again."""

    def restart(self, part: str) -> None:
        """Start a part that was killed, where it was, and return when it answers."""

    def pause(self, part: str) -> None:
        """Freeze a part: it holds its connections and does nothing."""

    def resume(self, part: str) -> None:
        """Let a frozen part go on."""


class LocalFaults:
    """Faults over the processes of one stack; all raise ``StackError`` for a part that cannot be reached."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack

    def kill(self, part: str) -> None:
        """End a part at once, as a crash does; it is not told as dead until it runs again."""
        process = self._stack.process(part)
        self._stack.excuse(part)
        process.kill()
        process.wait(5.0)

    def restart(self, part: str) -> None:
        """Start a part that was killed, on the addresses it had, and return when it answers."""
        self._stack.start_again(part)

    def pause(self, part: str) -> None:
        """Freeze a part with all its processes: it holds its connections and does nothing."""
        self._signal(part, signal.SIGSTOP)

    def resume(self, part: str) -> None:
        """Let a frozen part go on."""
        self._signal(part, signal.SIGCONT)

    def reload(self, node: str) -> None:
        """Let a node read its files anew, and return when its new worker serves and the old one is gone.

        Connections that wait for a request are closed by it, so that proxies must shake hands again.
        """
        process = self._stack.process(node)
        old = _workers(process.pid)
        self._signal_one(node, signal.SIGHUP)
        deadline = time.monotonic() + _RELOAD_S
        while True:
            if process.exit_code() is not None:
                raise process.died(" when it was told to reload")
            now = _workers(process.pid)
            if now and not now & old:
                return
            if time.monotonic() >= deadline:
                raise StackError(
                    f"{node} did not take its new configuration within {_RELOAD_S:g} s. It said:\n"
                    f"{self._stack.process(node).last_output()}"
                )
            time.sleep(_POLL_S)

    def folder(self, node: str) -> Path:
        """Where a node's files lie: ``nginx.conf`` and ``html/``."""
        config = self._stack.component(node).config
        if config is None:
            raise StackError(f"{node} has no configuration of its own.")
        return config.parent

    def _signal_one(self, part: str, number: signal.Signals) -> None:
        try:
            os.kill(self._stack.process(part).pid, number)
        except ProcessLookupError as error:
            raise StackError(f"{part} does not run.") from error

    def _signal(self, part: str, number: signal.Signals) -> None:
        try:
            os.killpg(self._stack.process(part).pid, number)
        except ProcessLookupError as error:
            raise StackError(f"{part} does not run.") from error


def _workers(master: int) -> set[int]:
    """Pids of the children that still live; each may go while it is looked at."""
    found = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(master).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    found.add(child.pid)
    return found
