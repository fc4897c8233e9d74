"""Starts Locust processes: one, or a master and its workers; here or where a launcher says."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.child import Child
from bench.load.run.command import contained_arguments, locust_command, locust_environment
from bench.load.run.launcher import Launcher
from bench.load.run.locust_outputs import LocustOutputs
from bench.load.run.settings import MASTER_PORT, ProcessSettings
from bench.load.variables import Variable


def start_locust(
    settings: ProcessSettings,
    folder: Path,
    ends: Mapping[Variable, int],
    outputs: LocustOutputs,
    launcher: Launcher | None,
    *,
    token: str,
) -> Iterator[Child]:
    """Start Locust; each child is yielded as soon as it exists.

    Args:
        settings: how many.
        folder: where they run; gets each process's output.
        ends: the pipes' ends that are theirs: EVENTS, CONTROL and LIFELINE.
        outputs: what Locust itself shows and writes.
        launcher: where it runs; None: here.
        token: what master and workers know of each other.
    """
    total = settings.total
    starter = _Starter(folder, ends, launcher, total, token)
    users = ["-u", str(total), "-r", str(total), *outputs.options()]
    # The web UI's requests must not hold up the loop that keeps the due times: it stays with a master.
    if total == 1 and outputs.web is None:
        yield starter.start("locust", users)
        return
    bind = settings.master_bind
    port = settings.master_port or (
        # Elsewhere no port can be tried, and the place is this run's alone.
        MASTER_PORT if settings.remote_workers or launcher is not None else free_port(bind)
    )
    where = ["--master-bind-host", bind, "--master-bind-port", str(port)]
    yield starter.start("master", ["--master", "--expect-workers", str(total), *where, *users])
    host = "127.0.0.1" if bind in ("0.0.0.0", "*") else bind  # noqa: S104 - compared only
    for number in range(1, settings.workers + 1):
        options = ["--worker", "--master-host", host, "--master-port", str(port)]
        yield starter.start(f"worker-{number}", options, is_worker=True)


class _Starter:
    def __init__(
        self,
        folder: Path,
        ends: Mapping[Variable, int],
        launcher: Launcher | None,
        total: int,
        token: str,
    ) -> None:
        self._folder = folder
        self._ends = ends
        self._launcher = launcher
        self._own = {Variable.WORKERS: str(total), Variable.TOKEN: token}

    def start(self, name: str, options: Sequence[str], *, is_worker: bool = False) -> Child:
        """Start one process."""
        if self._launcher is not None:
            return self._launch(self._launcher, name, options, is_worker=is_worker)
        ends = {Variable.LIFELINE: self._ends[Variable.LIFELINE]} if is_worker else self._ends
        # In the folder, so that no locust.conf or pyproject.toml of the caller's has a say.
        return Child(
            name,
            locust_command(options),
            log=self._folder / f"{name}.log",
            environment=locust_environment({**ends, **self._own}),
            folder=self._folder,
            inherited=list(ends.values()),
        )

    def _launch(self, launcher: Launcher, name: str, options: Sequence[str], *, is_worker: bool) -> Child:
        """Start one process elsewhere, tied to this one by its standard input and output."""
        arguments = contained_arguments("worker" if is_worker else "coordinator", options)
        environment = {"PYTHONUNBUFFERED": "1"} | {str(key): value for key, value in self._own.items()}
        return Child(
            name,
            launcher.command(name, arguments, environment),
            log=self._folder / f"{name}.log",
            environment=os.environ,
            folder=self._folder,
            stdin=self._ends[Variable.LIFELINE if is_worker else Variable.CONTROL],
            stdout=None if is_worker else self._ends[Variable.EVENTS],
        )


def free_port(host: str) -> int:
    """A port on *host* that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1" if host == "*" else host, 0))
        port: int = probe.getsockname()[1]
        return port
