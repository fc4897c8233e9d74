"""Faults over the processes of a local stack, in the words of ``bench.stack.faults``."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bench.errors import StackError
from bench.stack.local.stack import LocalStack
from bench.stack.nodes import NodeFolder, await_new_workers, children_of, is_running
from bench.stack.placing import LOOPBACK


class LocalFaults:
    """Faults over the processes of one stack; all raise ``StackError`` for a part that cannot be reached."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack

    def kill(self, part: str) -> None:
        """End a part at once, as a crash does; it is not reported as dead until it runs again."""
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
        """Let a node read its files again, and return when its new worker serves and the old one is gone.

        Connections that wait for a request are closed by it, so that proxies must shake hands again.
        """
        process = self._stack.process(node)
        if self._stack.component(node).kind == "bytes":
            # It reads its certificates again, and has no workers.
            os.kill(process.pid, signal.SIGHUP)
            return
        old = children_of(process.pid)
        try:
            os.kill(process.pid, signal.SIGHUP)
        except ProcessLookupError as error:
            raise StackError(f"{node} does not run.") from error
        await_new_workers(node, process.pid, old, process.last_output)

    def use_certificates(self, node: str, folder: Path) -> None:
        """Let a node serve with ``server.crt`` and ``server.key`` of *folder* from now on."""
        NodeFolder(self.folder(node)).serve_with(folder)
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
