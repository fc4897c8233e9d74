"""A child process in a session of its own, with its output in a file, that is always ended and reaped."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

TAIL_BYTES: Final = 4096
"""How much of a log's end is read for a message."""


class Child:
    """One started program: its group is its own. Whoever starts it ends it, in a ``finally``."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        folder: Path,
        environment: Mapping[str, str],
        inherited: Sequence[int] = (),
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> None:
        """Start *command*.

        Args:
            name: for messages, e.g. ``nginx01``.
            command: program and arguments.
            log: file to which its output is appended.
            folder: where it runs.
            environment: all of its variables.
            inherited: file descriptors that it receives under the same numbers.
            stdin: a descriptor to read from; default: nothing.
            stdout: a descriptor for its standard output; None: *log*, as for its errors.

        Raises:
            OSError: the program cannot be started.
        """
        self.name = name
        self.log = log
        self._has_ended = False
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=out if stdout is None else stdout,
                stderr=out,
                # A session of its own: Ctrl-C in the terminal reaches the suite alone, which stops its
                # parts in order.
                start_new_session=True,
                env=dict(environment),
                pass_fds=tuple(inherited),
                cwd=folder,
            )

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
        hint = " (by hand, or by the kernel for lack of memory)" if -code == signal.SIGKILL else ""
        return f"was ended by {name}{hint}"

    def last_output(self, lines: int = 12) -> str:
        """Its last lines of output; empty if there are none."""
        return tail(self.log, lines)

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

    def end(self) -> None:
        """Kill the whole group and reap the process."""
        self.kill()
        self._settle(self._popen.wait())

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


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # PermissionError is macOS's answer for a group of zombies.
        return
