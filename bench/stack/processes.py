"""Start a process in its own session, read its last words, end it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.errors import StackError
from bench.stack.runs.folder import ProcessMark, RunFolder

TAIL_BYTES = 4096


class Process:
    """One started program: its group is its own, its output is a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        folder: RunFolder,
        environment: Mapping[str, str] | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        """Start *command*.

        Args:
            name: for messages, e.g. ``nginx01``.
            command: program and arguments.
            log: file that receives its output.
            folder: the run that the process belongs to.
            environment: variables on top of this process's own.
            inherited: file descriptors that the program receives under the same numbers.

        Raises:
            StackError: the program cannot be started.
        """
        self.name = name
        self.log = log
        self._has_ended = False
        try:
            with log.open("ab") as out:
                self._popen = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    # A session of its own: Ctrl-C in the terminal reaches the suite alone, which stops its
                    # parts in order.
                    start_new_session=True,
                    env={**os.environ, **(environment or {})},
                    pass_fds=inherited,
                    cwd=folder.path,
                )
        except OSError as error:
            raise StackError(
                f"{name} cannot be started: {error.strerror or error}.",
                where=command[0],
                remedy="Run `egress-bench doctor` to see what this machine lacks.",
            ) from error
        mark = ProcessMark.of(self._popen.pid, name)
        if mark is not None:
            folder.record_process(mark)

    @property
    def pid(self) -> int:
        """Process id, also id of its session and group."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._settle(self._popen.poll())

    def how_it_ended(self) -> str:
        """Say in words how it ended, e.g. ``was ended by SIGKILL``."""
        code = self.exit_code()
        if code is None:
            return "still runs"
        if code >= 0:
            return f"exited with code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = " (by hand, or by the kernel for want of memory)" if -code == signal.SIGKILL else ""
        return f"was ended by {name}{hint}"

    def limit_text(self) -> str:
        """Empty: a process is held to no limit of its own."""
        return ""

    def last_output(self, lines: int = 12) -> str:
        """Its last lines of output."""
        return tail(self.log, lines)

    def died(self, when: str = "") -> StackError:
        """The error that tells of its end."""
        return StackError(
            f"{self.name} {self.how_it_ended()}{when}. Its last output:\n{self.last_output() or '(none)'}"
        )

    def terminate(self) -> None:
        """Ask it to end; does not wait."""
        self._signal(signal.SIGTERM)
        # A stopped process cannot act on a signal before it goes on.
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it and all its children at once; does not wait."""
        self._signal(signal.SIGKILL)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False if it still runs after the timeout."""
        try:
            self._settle(self._popen.wait(max(0.0, timeout_s)))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self.exit_code() is None:
            _signal_group(self._popen.pid, number)

    def _settle(self, code: int | None) -> int | None:
        """On the first news of its end, end what it leaves: the workers of an nginx master that was killed.

        Now and never later: once the process is reaped, its number may soon be another's.
        """
        if code is not None and not self._has_ended:
            self._has_ended = True
            _signal_group(self._popen.pid, signal.SIGKILL)
        return code


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # PermissionError is macOS's answer for a group of zombies.
        return


def stop_all(processes: Sequence[Process], *, grace_s: float = 3.0) -> None:
    """End *processes* in reverse order, each before the next is asked; kill what does not obey.

    Whatever interrupts this, also a second Ctrl-C, all of them are killed before it leaves.
    """
    deadline = time.monotonic() + grace_s
    try:
        for process in reversed(processes):
            process.terminate()
            process.wait(deadline - time.monotonic())
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait(grace_s)


def tail(path: Path, lines: int) -> str:
    """The last *lines* lines of a file, from its last 4 KiB; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
