"""The Locust processes of a generator, and the pipes to them."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench.child import Child
from bench.load.events import LoadEvent
from bench.load.messages import (
    EVENT,
    Command,
    Event,
    Quit,
    StandingBy,
    WorkersPresent,
    line_of,
)
from bench.load.run.failures import GeneratorError
from bench.load.run.launcher import Launcher
from bench.load.run.locust_outputs import LocustOutputs
from bench.load.run.remote_workers import RemoteWorkers
from bench.load.run.settings import ProcessSettings
from bench.load.run.starting import start_locust
from bench.load.variables import Variable, variable

START_S: Final = 60.0
"""Longest time from the start of Locust until it stands by; workers from elsewhere have theirs on top."""
_QUIT_S: Final = 5.0
_POLL_S: Final = 0.1


class Processes:
    """Started once; whoever makes one calls ``end`` in a ``finally``."""

    def __init__(
        self, settings: ProcessSettings, folder: Path, outputs: LocustOutputs, launcher: Launcher | None
    ) -> None:
        self.settings = settings
        self.launcher = launcher
        self.folder = folder.resolve()
        token = variable(Variable.TOKEN) or secrets.token_urlsafe(16)
        self._outputs = outputs
        self._children: list[Child] = []
        self._remote = RemoteWorkers(settings, token)
        self._token = token
        self._is_standing_by = False
        self._is_quitting = False
        self._started_at = 0.0
        self._inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._events, events_end = os.pipe()
        control_end, self._control = os.pipe()
        life_end, self._life = os.pipe()
        self._ours = [self._control, self._life]
        # A thread empties the pipe at once: the generator must never wait because the caller is busy.
        self._listener = threading.Thread(target=self._listen, name="load-events", daemon=True)
        self._theirs = {
            Variable.EVENTS: events_end,
            Variable.CONTROL: control_end,
            Variable.LIFELINE: life_end,
        }

    # --- life

    def start(self) -> None:
        """Start them; returns before they stand by."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._started_at = time.monotonic()
        for child in start_locust(
            self.settings, self.folder, self._theirs, self._outputs, self.launcher, token=self._token
        ):
            self._children.append(child)
        os.close(self._theirs.pop(Variable.EVENTS))
        os.close(self._theirs.pop(Variable.CONTROL))
        self._listener.start()

    def stand_by(self, on_event: Callable[[LoadEvent], None], stop: threading.Event | None) -> bool:
        """Wait until all workers are there; False if *stop* was set before.

        Raises:
            LoadError: workers of other machines did not come.
            GeneratorError: Locust ended, or took too long.
        """
        if self._remote.any and not self._is_standing_by:
            on_event(self._remote.arrived(0))
        while not self._is_standing_by:
            if stop is not None and stop.is_set():
                return False
            match self.receive(_POLL_S):
                case WorkersPresent(workers=workers):
                    reported = self._remote.arrived(workers)
                    if self._remote.any:
                        on_event(reported)
                case StandingBy():
                    self._is_standing_by = True
            for child, how in self.ended_workers():
                raise self.died(f"{child.name} {how} before the run began.")
            waited = time.monotonic() - self._started_at
            self._remote.check(waited)
            if waited > self._remote.patience_s(START_S):
                raise self.died(f"Locust was not ready within {waited:.0f} s.")
        return True

    def quit(self) -> None:
        """Let Locust end by itself, as far as it does so within seconds."""
        if self._is_quitting or not self._children:
            return
        self._is_quitting = True
        self.send(Quit())
        deadline = time.monotonic() + _QUIT_S
        for child in self._children:
            child.wait(max(0.0, deadline - time.monotonic()))

    def end(self) -> None:
        """Kill and reap whatever still runs; close the pipes."""
        for child in reversed(self._children):
            child.end()
        for fd in self._theirs.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        if self._listener.is_alive():
            self._listener.join()
        for fd in [self._events, *self._ours]:
            with contextlib.suppress(OSError):
                os.close(fd)
        self._ours, self._theirs, self._children = [], {}, []

    @property
    def are_alive(self) -> bool:
        """Whether every process still runs."""
        return bool(self._children) and all(child.exit_code() is None for child in self._children)

    # --- talk

    def send(self, command: Command) -> None:
        """Say it to the coordinator; nothing hears it if Locust has ended. Short: a pipe holds it."""
        with contextlib.suppress(OSError):
            os.write(self._control, line_of(command))

    def receive(self, timeout_s: float) -> Event | None:
        """The next event; None if none came in time.

        Raises:
            GeneratorError: Locust ended, and everything it had to report was received.
        """
        try:
            event = self._inbox.get(timeout=timeout_s) if timeout_s > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None
        if event is None:
            # Whoever asks once more gets the same answer.
            self._inbox.put(None)
            raise self.died("Locust ended in the middle of the run.")
        return event

    def _listen(self) -> None:
        pending = b""
        while data := os.read(self._events, 1 << 20):
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._inbox.put(EVENT.validate_json(line))
        self._inbox.put(None)

    # --- what becomes of them

    def ended_workers(self) -> Iterator[tuple[Child, str]]:
        """Workers of this machine that have ended, and how."""
        for child in self._children[1:]:
            code = child.exit_code()
            if code is not None:
                yield child, f"killed by signal {-code}" if code < 0 else f"ended with {code}"

    def died(self, what: str) -> GeneratorError:
        """The error that reports an early end."""
        for child in self._children:
            child.wait(0.5)
        dead = next((each for each in self._children if each.exit_code() not in (None, 0)), self._children[0])
        code = dead.exit_code()
        how = f" {dead.name} ended with {code}." if code is not None else ""
        return GeneratorError(
            f"{what}{how} Its last output:\n{dead.last_output() or '(none)'}", remedy=f"\nSee {self.folder}."
        )
