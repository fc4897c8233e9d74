"""A component of the local stack as a child process that belongs to a run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.child import Child
from bench.errors import StackError
from bench.stack.runs import ProcessMark, RunFolder


class Process(Child):
    """A child that is noted in its run folder, so that whoever clears up after a killed run finds it."""

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
        try:
            super().__init__(
                name,
                command,
                log=log,
                folder=folder.path,
                environment={**os.environ, **(environment or {})},
                inherited=inherited,
            )
        except OSError as error:
            raise StackError(
                f"{name} cannot be started: {error.strerror or error}.",
                where=command[0],
                remedy="Run `egress-bench doctor` to see what this machine lacks.",
            ) from error
        mark = ProcessMark.of(self.pid, name)
        if mark is not None:
            folder.record_process(mark)

    def limit_text(self) -> str:
        """Empty: a process is held to no limit of its own."""
        return ""

    def died(self, when: str = "") -> StackError:
        """The error that reports its end."""
        return StackError(
            f"{self.name} {self.how_it_ended()}{when}. Its last output:\n{self.last_output() or '(none)'}"
        )


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
