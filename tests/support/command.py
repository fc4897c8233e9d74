"""`egress-bench` in a process of its own that does not begin with seconds of imports.

What the command imports costs more CPU than many a short run. A server that has imported all of it forks a
process for each command: with its own session, folder, environment and output, and it ends as Python ends.
That `python -m bench` itself starts is tested where the command line is (``tests/cli``).
"""

from __future__ import annotations

import array
import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import cli
from tests.support.command_server import MOST_BYTES

ROOT = Path(__file__).parents[2]


class Command:
    """A started command, used as ``subprocess.Popen`` is."""

    def __init__(
        self,
        *arguments: object,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        errors_apart: bool = False,
    ) -> None:
        """Start ``egress-bench ARGUMENTS``; with *errors_apart* its stderr is not among its output."""
        self.returncode: int | None = None
        self._texts = ("", "")
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed when it has ended
        self._errors = tempfile.TemporaryFile("w+") if errors_apart else None  # noqa: SIM115
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked = {
            "arguments": [str(each) for each in arguments],
            "cwd": str(cwd),
            "env": dict(os.environ if env is None else env),
        }
        streams = [self._out.fileno(), (self._errors or self._out).fileno(), theirs.fileno()]
        _server().sendmsg(
            [json.dumps(asked).encode()],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))],
        )
        theirs.close()
        self.pid = int(self._said())

    def _said(self) -> bytes:
        said = self._end.recv(32)
        assert said, "the server of commands has ended"
        return said

    def poll(self) -> int | None:
        """The exit code; None while it runs; negative: the signal that ended it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("egress-bench", timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._said()))
            self._end.close()
            self._texts = tuple(_all_of(stream) for stream in (self._out, self._errors))
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; give output and errors."""
        self.wait(timeout)
        return self._texts

    def output_so_far(self) -> str:
        """What a command that still runs has printed; with its errors, unless these are apart."""
        # At a position of its own: the command writes at the file's.
        return os.pread(self._out.fileno(), MOST_BYTES, 0).decode("utf-8", "replace")

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_command(*arguments: object, timeout: float | None = None, **more) -> subprocess.CompletedProcess[str]:
    """Run ``egress-bench ARGUMENTS`` to its end, as ``subprocess.run`` with captured text does."""
    command = Command(*arguments, errors_apart=True, **more)
    try:
        out, errors = command.communicate(timeout)
    except BaseException:
        command.kill()
        command.wait()
        raise
    return subprocess.CompletedProcess(arguments, command.wait(), out, errors)


def run_main(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    """Run a command in this process; give exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["egress-bench", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code or 0
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def _all_of(stream) -> str:
    if stream is None:
        return ""
    with stream:
        stream.seek(0)
        return stream.read()


@functools.cache
def _server() -> socket.socket:
    """The server of this process; it ends when its end of the channel closes, which the system does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
    code = f"from tests.support.command_server import serve; serve({theirs.fileno()})"
    # Not waited for: it lives as long as this process.
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        pass_fds=[theirs.fileno()],
        # Ours may be the channel of a test process.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    server.returncode = 0
    theirs.close()
    atexit.register(ours.close)
    return ours
