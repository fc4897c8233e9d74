"""Locust in processes that do not begin with a second of imports, which is most of what a short load costs.

A server that has imported Locust forks a process for each that a load asks for. That ``python -m locust``
starts as well is promised by tests that are marked ``real_locust``, by those that call from a Python of
their own, and by those of the wheel.
"""

from __future__ import annotations

import functools
import importlib
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from socket import socket

from bench.child import Child
from tests.support.fork_server import Forked, Server, serve

NAME = "forked-"
"""How the system's name of such a process begins: its command line is that of the server."""
WORKER = f"{NAME}worker"
_PROGRAM = "from tests.support.forked_locust import serve_locust; serve_locust({channel})"
# What reads its environment as it is imported is not among them.
_IMPORTED = (
    "locust.main",
    "bench.load.locust.driven_runs",
    "bench.load.locust.own_runs",
    "bench.load.locust.securing",
)
_STARTERS = ("bench.load.run.starting", "bench.load.run.worker")


class Switch:
    """Whether Locust is started as users start it."""

    is_real = False


class ForkedLocust(Child):
    """A child that is forked if it is Locust."""

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
        python, *arguments = command
        if Switch.is_real or python != sys.executable or arguments[:2] != ["-m", "locust"]:
            super().__init__(
                name,
                command,
                log=log,
                folder=folder,
                environment=environment,
                inherited=inherited,
                stdin=stdin,
                stdout=stdout,
            )
            return
        self.name = name
        self.log = log
        self._has_ended = False
        asked = {
            "arguments": arguments[2:],
            "cwd": str(folder),
            "env": dict(environment),
            "numbers": [1, 2, *inherited],
        }
        with log.open("ab") as out:
            self._popen = Forked(channel(), asked, [out.fileno(), out.fileno(), *inherited])


@functools.cache
def server() -> Server:
    """The server of this process."""
    return Server(_PROGRAM)


def channel() -> socket:
    """To the server of this process."""
    return server().channel


def fork_locust(to: socket | None = None) -> None:
    """From now on this process has Locust forked, by the server behind *to*; None: by one of its own."""
    if to is not None:
        globals()["channel"] = lambda: to
    for name in _STARTERS:
        importlib.import_module(name).Child = ForkedLocust


def serve_locust(channel_fd: int) -> None:
    """Be the server."""
    serve(channel_fd, _prepare, _become)


def _prepare() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    # The loop of the server is nothing that a forked process could use.
    importlib.import_module("gevent").get_hub().destroy(destroy_loop=True)


def _become(asked: dict) -> None:
    is_worker = "--worker" in asked["arguments"]
    Path("/proc/self/comm").write_text(WORKER if is_worker else f"{NAME}locust")
    # As `python -m` does.
    sys.path[0] = asked["cwd"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)
    sys.argv = ["locust", *asked["arguments"]]
    runpy.run_module("locust", run_name="__main__", alter_sys=True)
