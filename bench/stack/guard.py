"""A small process that outlives its parent for a moment, to clear up when the parent cannot.

When the suite is killed (SIGKILL, out of memory), its ``finally`` blocks never run. The guard waits on a pipe
whose other end only the suite holds; end of file means that the suite is gone, however it went. It then ends
every process of the run and deletes the run folder, private keys included.

Not ``PR_SET_PDEATHSIG``: that fires when the *thread* that started a child ends, misses nginx's workers,
exists on Linux only, and deletes no keys.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from bench.errors import StackError

_PROGRAM = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from bench.stack.guard import watch; watch(sys.argv[2], int(sys.argv[3]))"
)
_LOOK_EVERY_S = 1.0
_ACT_S = 30.0
"""Ending processes takes seconds, removing containers more of them."""


class Guard:
    """Watches over one run folder from the moment it is started until it is dismissed."""

    def __init__(self, folder: Path) -> None:
        """Start watching; returns at once.

        Raises:
            StackError: Python cannot be started again.
        """
        # Absolute, because the guard stands elsewhere.
        search = json.dumps([os.path.abspath(entry) for entry in sys.path])  # noqa: PTH100 - zip files too
        try:
            self._process = subprocess.Popen(
                # -I -S: the guard must not depend on the environment, and must start fast.
                [sys.executable, "-I", "-S", "-c", _PROGRAM, search, str(folder), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            raise StackError(
                f"the guard cannot be started: {error.strerror or error}.", where=sys.executable
            ) from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def act(self) -> None:
        """Let the guard clear the run now, as if this process had ended."""
        self._close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ACT_S)

    def dismiss(self) -> None:
        """End the guard without letting it act. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def watch(folder: str, parent: int) -> None:
    """Wait until the parent is gone, then clear its run. The guard process runs this."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A child that the parent forks inherits the pipe's other end and would hide the parent's end: hence the
    # second sign, the guard's own adoption by another process.
    while os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
        if ready and not os.read(sys.stdin.fileno(), 1):
            break

    from bench.stack.runs.folder import RunFolder  # noqa: PLC0415
    from bench.stack.runs.stale import end_containers, end_processes  # noqa: PLC0415 - psutil is heavy

    run_folder = RunFolder(Path(folder))
    with contextlib.suppress(Exception):
        end_processes(run_folder)
    with contextlib.suppress(Exception):
        end_containers(run_folder)
    run_folder.remove()
