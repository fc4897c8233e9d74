"""A stack of real parts in a run folder: whatever ends this process, a guard clears up after it."""

from __future__ import annotations

import abc
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from bench.disks import refusal
from bench.errors import ControlPlaneLostError, StackError
from bench.stack.components import ComponentTable
from bench.stack.control import ControlPlane
from bench.stack.guard import Guard
from bench.stack.placing import require_sound
from bench.stack.protocol import StackSpec
from bench.stack.runs import RunFolder, write_components


class StartingPart(Protocol):
    """A part that is starting."""

    @property
    def name(self) -> str:
        """For messages."""

    def limit_text(self) -> str:
        """What keeps it from being quick, in brackets; empty: nothing."""

    def last_output(self) -> str:
        """Its last lines of output."""


class SupervisedStack(ComponentTable):
    """The life of such a stack; what its parts are is said by the class that is made of it."""

    def __init__(
        self, spec: StackSpec, *, start_timeout_s: float, poll_s: float, parent: Path | None
    ) -> None:
        super().__init__(spec)
        self.ready_s: float | None = None
        """Seconds from ``start`` to ready; None before."""
        self._start_timeout_s = start_timeout_s
        self._poll_s = poll_s
        self._parent = parent
        self._folder: RunFolder | None = None
        self._guard: Guard | None = None
        self._excused: set[str] = set()
        self._control: ControlPlane | None = None

    @property
    def folder(self) -> Path:
        """The run folder, 0700; gone when the stack is stopped."""
        return self._running_folder().path

    def start(self) -> None:
        """Start everything and return when each part answers; see ``Stack.start``."""
        if self._folder is not None:
            raise StackError(f"stack {self.spec.name} is running already.")
        began = time.monotonic()
        require_sound(self.spec)
        try:
            self._find_programs()
            # The guard first: there is no moment in which the folder exists unguarded.
            self._folder = RunFolder.choose(self._parent)
            self._guard = Guard(self._folder.path)
            self._folder.make(self.spec.name)
            with write_errors_explained(self._folder.path):
                with self.named():
                    self._start_parts()
                write_components(self._folder, self.components())
        except BaseException:
            self._stop(is_interrupted=True)
            raise
        self.ready_s = time.monotonic() - began

    def stop(self) -> None:
        """Stop everything in reverse order and delete the run folder. Safe to call twice."""
        self._stop(is_interrupted=False)

    def control_plane(self) -> ControlPlane | None:
        """What feeds its proxies; None: files do."""
        return self._control

    def excuse(self, name: str) -> None:
        """Do not report a part as dead from now on: it is ended on purpose."""
        self.component(name)
        self._excused.add(name)

    @abc.abstractmethod
    def _find_programs(self) -> None:
        """Check what this kind of stack needs; nothing is started, and ``_forget`` undoes it."""

    @abc.abstractmethod
    def _start_parts(self) -> None:
        """Start everything and wait for each part."""

    @abc.abstractmethod
    def _end_parts(self, folder: RunFolder, *, is_interrupted: bool) -> None:
        """End everything that was started; if the start was cut off, also what is not known to be started."""

    def _forget(self) -> None:
        """Forget all parts."""
        self._components.clear()
        self._placements.clear()
        self._excused.clear()
        if self._control is not None:
            self._control.close()
            self._control = None

    def _start_control_plane(self) -> None:
        """Start it if any proxy is to be fed by it."""
        if any(proxy.is_served for proxy in self.spec.proxies):
            self._control = ControlPlane(self._running_folder(), self._wait)

    def _check_control_plane(self) -> None:
        """Raise ``ControlPlaneLostError`` if it has ended by itself; asked last, others matter more."""
        if self._control is not None and self._control.has_died:
            process = self._control.process
            raise ControlPlaneLostError(process.died().what, how=process.how_it_ended())

    def _running_folder(self) -> RunFolder:
        if self._folder is None:
            raise StackError(f"stack {self.spec.name} is not running.")
        return self._folder

    def _stop(self, *, is_interrupted: bool) -> None:
        folder, guard = self._folder, self._guard
        try:
            if folder is not None:
                self._end_parts(folder, is_interrupted=is_interrupted)
        except BaseException:
            if guard is not None:
                guard.act()
            raise
        else:
            if folder is not None:
                folder.remove()
            if guard is not None:
                guard.dismiss()
        finally:
            self._folder = None
            self._guard = None
            self._forget()

    def _wait(self, part: StartingPart, is_ready: Callable[[], bool]) -> None:
        """Return when *part* is ready; raise as soon as any part so far cannot be any more."""
        deadline = time.monotonic() + self._start_timeout_s
        while not is_ready():
            self._check_parts()
            if time.monotonic() >= deadline:
                raise StackError(
                    f"{part.name}{part.limit_text()} did not answer within {self._start_timeout_s:g} s."
                    f" Its last output:\n{part.last_output() or '(none)'}"
                )
            time.sleep(self._poll_s)


@contextlib.contextmanager
def write_errors_explained(folder: Path) -> Iterator[None]:
    """Turn ``OSError`` into ``StackError``; *folder* is named where the error names no file."""
    try:
        yield
    except OSError as error:
        raise StackError(
            f"cannot write there: {refusal(error, folder)}.",
            where=str(error.filename or folder),
            remedy="Make room on the disk, or set TMPDIR to a folder that has it.",
        ) from error
