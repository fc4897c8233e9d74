"""The other end of `command`: imports everything once, then forks a process for each command."""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import random
import selectors
import socket
import sys
import tempfile

IMPORTED = (
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
MOST_BYTES = 1 << 20
"""A request, with all of its environment."""


def serve(channel_fd: int) -> None:
    """Carry out what the channel asks for, until it is closed."""
    gc.disable()
    for name in IMPORTED:
        importlib.import_module(name)
    # No command looks through all of it for what may go, which would copy every page of it, too.
    gc.freeze()
    gc.enable()
    channel = socket.socket(fileno=channel_fd)
    watched = selectors.DefaultSelector()
    watched.register(channel, selectors.EVENT_READ)
    while True:
        for key, _ in watched.select():
            if key.fileobj is not channel:
                watched.unregister(key.fd)
                _report_end(key.fd, *key.data)
                continue
            request, streams = _next(channel)
            if request is None:
                return
            pid = os.fork()
            if not pid:
                watched.close()
                channel.close()
                _become(json.loads(request), streams)
                return
            out, errors, end = streams
            os.close(out)
            os.close(errors)
            os.write(end, str(pid).encode())
            watched.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, end))


def _next(channel: socket.socket) -> tuple[bytes | None, list[int]]:
    streams = array.array("i")
    room = socket.CMSG_LEN(3 * streams.itemsize)
    request, more, _, _ = channel.recvmsg(MOST_BYTES, room)
    for _, _, data in more:
        streams.frombytes(data)
    return request or None, list(streams)


def _report_end(pidfd: int, pid: int, end: int) -> None:
    os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    # Nothing may be there any more to hear it.
    with contextlib.suppress(OSError):
        os.write(end, str(status).encode())
    os.close(end)


def _become(asked: dict, streams: list[int]) -> None:
    """Be the command, in this forked process; it ends as any Python does."""
    out, errors, end = streams
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(errors, 2)
    for descriptor in (out, errors, end):
        os.close(descriptor)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    tempfile.tempdir = None
    random.seed()
    sys.argv = ["egress-bench", *asked["arguments"]]
    importlib.import_module("bench.cli").main()
