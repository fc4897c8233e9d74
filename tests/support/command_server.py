"""The commands of ``egress-bench``, forked from a process that has imported all of them."""

from __future__ import annotations

import importlib
import socket
import sys

from tests.support import fork_server, forked_locust

_IMPORTED = (
    "bench.cli",
    "bench.commands.check",
    "bench.commands.translation",
    "bench.experiment.capacity",
    "bench.experiment.drive",
    "bench.experiment.faults",
    "bench.experiment.handshake",
    "bench.experiment.run",
    "bench.explain",
    "bench.report.build",
    "bench.stack.compose.stack",
    "bench.stack.local",
)


def serve(channel_fd: int, locust_fd: int) -> None:
    """Fork a command for each request; its Locust comes from the server behind *locust_fd*."""
    fork_server.serve(channel_fd, lambda: _prepare(locust_fd), _become)


def _prepare(locust_fd: int) -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    forked_locust.fork_locust(socket.socket(fileno=locust_fd))


def _become(asked: dict) -> None:
    sys.argv = ["egress-bench", *asked["arguments"]]
    importlib.import_module("bench.cli").main()
