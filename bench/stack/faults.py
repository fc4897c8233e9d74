"""Faults over the processes of a local stack: end, freeze, reload, rewrite; and the way back from each.

The same words as for containers, see ``bench.stack.compose.faults``.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import psutil

from bench.errors import StackError
from bench.stack.local import LocalStack
from bench.stack.ports import LOOPBACK

_RELOAD_S = 20.0
_POLL_S = 0.01
_SERVER_FILE = re.compile(r'"[^"]*/(server\.(?:crt|key))"')


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

    def reload(self, node: str) -> None:
        """Let a node read its files anew, and return when its new worker serves and the old one is gone."""

    def use_certificates(self, node: str, folder: Path) -> None:
        """Let a node serve with ``server.crt`` and ``server.key`` of *folder* from now on."""

    def runs(self, part: str) -> bool:
        """Whether a part's process is there, frozen or not."""

    def folder(self, node: str) -> Path:
        """Where a node's files lie on this machine: ``nginx.conf`` and ``html/``."""

    def show(self, proxy: str, file: Path) -> str:
        """Let a proxy read *file*, which is public; returns its path as the proxy sees it."""

    def relay_host(self) -> str:
        """An address of this machine that the gateway reaches, and nobody beyond this machine does."""


@runtime_checkable
class NetworkFaults(Protocol):
    """What can be done where each part has a network of its own."""

    def disconnect(self, part: str) -> None:
        """Take a part off its networks, as when a cable is pulled."""

    def reconnect(self, part: str) -> None:
        """Put a part back on its networks, under its own addresses."""

    def disturb(self, part: str, *, delay_ms: float = 0, loss_percent: float = 0) -> None:
        """Delay, or lose, what a part sends."""

    def calm(self, part: str) -> None:
        """End a disturbance."""

    def why_undisturbed(self, part: str) -> str | None:
        """Why ``disturb`` is not possible here; None: it is."""


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
        old = children_of(process.pid)
        try:
            os.kill(process.pid, signal.SIGHUP)
        except ProcessLookupError as error:
            raise StackError(f"{node} does not run.") from error
        await_new_workers(node, process.pid, old, process.last_output)

    def use_certificates(self, node: str, folder: Path) -> None:
        """Let a node serve with ``server.crt`` and ``server.key`` of *folder* from now on."""
        file = self.folder(node) / "nginx.conf"
        conf = file.read_text(encoding="utf-8")
        conf = _SERVER_FILE.sub(lambda match: f'"{folder}/{match.group(1)}"', conf)
        file.write_text(conf, encoding="utf-8")
        self.reload(node)

    def folder(self, node: str) -> Path:
        """Where a node's files lie: ``nginx.conf`` and ``html/``."""
        config = self._stack.component(node).config
        if config is None:
            raise StackError(f"{node} has no configuration of its own.")
        return config.parent

    def runs(self, part: str) -> bool:
        """Whether a part's process is there, frozen or not."""
        pid = self._stack.component(part).pid
        return pid is not None and is_running(pid)

    def show(self, proxy: str, file: Path) -> str:
        """Its own path: processes see this machine's files."""
        self._stack.component(proxy)
        return str(file)

    def relay_host(self) -> str:
        """Loopback."""
        return LOOPBACK

    def _signal(self, part: str, number: signal.Signals) -> None:
        try:
            os.killpg(self._stack.process(part).pid, number)
        except ProcessLookupError as error:
            raise StackError(f"{part} does not run.") from error


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
    """Return when an nginx that was told to reload serves with new workers alone.

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
