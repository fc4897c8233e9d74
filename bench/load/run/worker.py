"""``egress-bench worker``: joins a run that a master elsewhere coordinates; it gets the plan from there."""

from __future__ import annotations

import contextlib
import os
import select
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.child import Child
from bench.errors import LoadError
from bench.load.run.command import locust_command, locust_environment
from bench.load.run.settings import MASTER_PORT
from bench.load.variables import Variable

WAIT_S: Final = 60.0
"""How long a worker asks for a master, unless configured otherwise."""
_POLL_S: Final = 0.2


def run_worker(
    master: str, *, token: str, port: int = MASTER_PORT, processes: int = 1, wait_s: float = WAIT_S
) -> None:
    """Serve *master* with this many processes until it dismisses them.

    Args:
        master: the host on which a run awaits workers.
        token: the one that the run printed.
        port: its port.
        processes: how many.
        wait_s: how long each of them asks to be taken.

    Raises:
        LoadError: *processes* is not positive, no run took them in time, or one of them failed.
        KeyboardInterrupt: passed on after all processes ended.
    """
    if processes < 1:
        raise LoadError(f"{processes} worker processes generate no load.", remedy="Give 1 or more.")
    with tempfile.TemporaryDirectory(prefix="egress-bench-worker-") as folder:
        command = locust_command(["--worker", "--master-host", master, "--master-port", str(port)])
        workers = _Workers(command, f"{master}:{port}", token=token, count=processes, folder=Path(folder))
        try:
            workers.start(wait_s)
            workers.wait_until_taken(wait_s)
            workers.wait_until_dismissed()
        finally:
            workers.end()


class _Workers:
    def __init__(self, command: Sequence[str], where: str, *, token: str, count: int, folder: Path) -> None:
        self._command = command
        self._where = where
        self._token = token
        self._count = count
        self._folder = folder
        self._children: list[Child] = []
        self._life_end, self._life = os.pipe()
        self._joined, self._joined_end = os.pipe()

    def start(self, patience_s: float) -> None:
        """Start all of them; each asks for its master that long."""
        ends = {Variable.LIFELINE: self._life_end, Variable.JOINED: self._joined_end}
        environment = locust_environment(
            {**ends, Variable.TOKEN: self._token, Variable.PATIENCE: str(patience_s)}
        )
        for number in range(1, self._count + 1):
            self._children.append(
                Child(
                    f"worker-{number}",
                    self._command,
                    log=self._folder / f"worker-{number}.log",
                    folder=self._folder,
                    environment=environment,
                    inherited=list(ends.values()),
                )
            )

    def wait_until_taken(self, wait_s: float) -> None:
        """Return once the master has taken all of them."""
        taken = 0
        deadline = time.monotonic() + wait_s
        while taken < self._count:
            if select.select([self._joined], [], [], _POLL_S)[0]:
                taken += len(os.read(self._joined, self._count))
            if taken < self._count and (time.monotonic() > deadline or self._ended()):
                raise LoadError(
                    f"no run at {self._where} took this worker within {wait_s:g} s"
                    f" ({taken} of {self._count} were taken).{_last_words(self._ended())}",
                    remedy="Start the run first, give the token that it prints, and let no firewall stand in"
                    " between.",
                )

    def wait_until_dismissed(self) -> None:
        """Return once all of them have ended."""
        while len(self._ended()) < self._count:
            time.sleep(_POLL_S)
        failed = [child for child in self._children if child.exit_code()]
        if failed:
            raise LoadError(
                f"{failed[0].name} {failed[0].how_it_ended()} before {self._where} dismissed it."
                f"{_last_words(failed)}",
                remedy="Check whether the run is still going there.",
            )

    def end(self) -> None:
        """Kill and reap what still runs."""
        for child in self._children:
            child.end()
        for fd in (self._life, self._life_end, self._joined, self._joined_end):
            with contextlib.suppress(OSError):
                os.close(fd)

    def _ended(self) -> list[Child]:
        return [child for child in self._children if child.exit_code() is not None]


def _last_words(children: Sequence[Child]) -> str:
    said = children[0].last_output() if children else ""
    return f" Its last output:\n{said}" if said else ""
