"""A server that has imported what is slow to import, and forks a process for each request.

Requests come through one channel, which several processes may share; each brings open files along, of which
the last is where the process's id and, later, how it ended are written.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import fcntl
import gc
import json
import os
import random
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MOST_BYTES = 1 << 20
"""A request, with all of its environment."""
_MOST_FILES = 16

# What a server imports may replace these by its own (gevent's, with locust): they are taken before.
_fork, _waitpid, _poll = os.fork, os.waitpid, select.poll


class Server:
    """This process's end of a server: it ends when all copies of it are closed, which the system does."""

    def __init__(self, program: str, *, inherited: Sequence[int] = ()) -> None:
        """Start ``python -c PROGRAM``, in which ``{channel}`` is the number of the channel."""
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
        # Not waited for: it lives as long as this process.
        server = subprocess.Popen(
            [sys.executable, "-c", program.format(channel=theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno(), *inherited],
            # Ours may be the channel of a test process.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        server.returncode = 0
        self.pid = server.pid
        theirs.close()
        atexit.register(self.channel.close)


class Forked:
    """A process that a server has forked, used as ``subprocess.Popen`` is."""

    def __init__(self, channel: socket.socket, asked: Mapping[str, Any], files: Sequence[int]) -> None:
        self.returncode: int | None = None
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        numbers = array.array("i", [*files, theirs.fileno()])
        with theirs:
            channel.sendmsg([json.dumps(asked).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
        self.pid = int(self._said())

    def _said(self) -> bytes:
        said = self._end.recv(32)
        assert said, "the server that forks has ended"
        return said

    def poll(self) -> int | None:
        """The exit code; None while it runs; negative: the signal that ended it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._said()))
            self._end.close()
        return self.returncode


def serve(channel_fd: int, prepare: Callable[[], None], become: Callable[[dict[str, Any]], None]) -> None:
    """Carry out what the channel asks for, until it is closed.

    Args:
        channel_fd: where requests come from.
        prepare: imports, once.
        become: called in the forked process, whose session, files, folder and environment are those of the
            request; it ends as any Python does.
    """
    channel = socket.socket(fileno=channel_fd)
    gc.disable()
    prepare()
    # No process looks through all of it for what may go, which would copy every page of it, too.
    gc.freeze()
    gc.enable()
    watched = _poll()
    watched.register(channel_fd, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    while True:
        for number, _ in watched.poll():
            if number != channel_fd:
                watched.unregister(number)
                _report_end(number, *running.pop(number))
                continue
            request, files = _next(channel)
            if request is None:
                return
            pid = _fork()
            if not pid:
                channel.close()
                for pidfd, (_, end) in running.items():
                    os.close(pidfd)
                    os.close(end)
                asked = json.loads(request)
                _take_over(asked, files)
                become(asked)
                return
            *theirs, end = files
            for file in theirs:
                os.close(file)
            pidfd = os.pidfd_open(pid)
            running[pidfd] = (pid, end)
            watched.register(pidfd, select.POLLIN)


def _next(channel: socket.socket) -> tuple[bytes | None, list[int]]:
    files = array.array("i")
    room = socket.CMSG_LEN(_MOST_FILES * files.itemsize)
    request, more, _, _ = channel.recvmsg(MOST_BYTES, room)
    for _, _, data in more:
        files.frombytes(data)
    return request or None, list(files)


def _report_end(pidfd: int, pid: int, end: int) -> None:
    os.close(pidfd)
    _, status = _waitpid(pid, 0)
    # Nothing may be there any more to hear it.
    with contextlib.suppress(OSError):
        os.write(end, str(status).encode())
    os.close(end)


def _take_over(asked: dict[str, Any], files: list[int]) -> None:
    """Give this process the session, files, folder and environment that are asked for."""
    os.setsid()
    numbers = [*asked["numbers"], 0]
    beyond = max(numbers) + 1
    *kept, end = [fcntl.fcntl(file, fcntl.F_DUPFD, beyond) for file in files]
    for file in files:
        os.close(file)
    kept.append(os.open(os.devnull, os.O_RDONLY))
    for file, number in zip(kept, numbers, strict=True):
        os.dup2(file, number)
        if file != number:
            os.close(file)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    tempfile.tempdir = None
    random.seed()
    # Last: whoever hears its number may look at it, and signal its group.
    os.write(end, str(os.getpid()).encode())
    os.close(end)
