"""`egress-bench` in a process of its own that does not begin with seconds of imports.

What the command imports costs more CPU than many a short run. A server that has imported all of it forks a
process for each command: with its own session, folder, environment and output, and it ends as Python ends.
That `python -m bench` itself starts is tested where the command line is (``tests/cli``).
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from socket import socket

from bench import cli
from tests.support import forked_locust
from tests.support.fork_server import MOST_BYTES, ROOT, Forked, Server


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
        self.environment = dict(os.environ if env is None else env)
        self._texts = ("", "")
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed when it has ended
        self._errors = tempfile.TemporaryFile("w+") if errors_apart else None  # noqa: SIM115
        asked = {
            "arguments": [str(each) for each in arguments],
            "cwd": str(cwd),
            "env": self.environment,
            "numbers": [1, 2],
        }
        streams = [self._out.fileno(), (self._errors or self._out).fileno()]
        self._process = Forked(_channel(), asked, streams)
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit code; None while it runs; negative: the signal that ended it."""
        return self._settle(self._process.poll())

    def wait(self, timeout: float | None = None) -> int:
        code = self._settle(self._process.wait(timeout))
        assert code is not None
        return code

    def _settle(self, code: int | None) -> int | None:
        if code is not None and self.returncode is None:
            self.returncode = code
            self._texts = tuple(_all_of(stream) for stream in (self._out, self._errors))
        return code

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
def _channel() -> socket:
    """To the server of commands, which has Locust forked by the server that this process uses, too."""
    locust = forked_locust.channel().fileno()
    program = f"from tests.support.command_server import serve; serve({{channel}}, {locust})"
    return Server(program, inherited=[locust]).channel
