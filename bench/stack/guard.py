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
import subprocess
import sys
import threading
from pathlib import Path

from bench.errors import StackError

_PROGRAM = Path(__file__).with_name("guard_program.py")
_ACT_S = 30.0
"""Ending processes takes seconds, removing containers more of them."""


class Guard:
    """Watches over one run folder from the moment it is started until it is dismissed.

    A guard that dies before is noticed at once and replaced: there is no run without one.
    """

    def __init__(self, folder: Path) -> None:
        """Start watching; returns at once.

        Raises:
            StackError: Python cannot be started again.
        """
        self._folder = folder
        self._lock = threading.Lock()
        self._is_needed = True
        self._process = _start(folder)
        threading.Thread(target=self._keep, name=f"guard of {folder.name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def act(self) -> None:
        """Let the guard clear the run now, as if this process had ended."""
        process = self._release()
        _close(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ACT_S)

    def dismiss(self) -> None:
        """End the guard without letting it act. Safe to call twice."""
        process = self._release()
        process.kill()
        process.wait()
        _close(process)

    def _release(self) -> subprocess.Popen[bytes]:
        """Let no other guard follow the present one, which is returned."""
        with self._lock:
            self._is_needed = False
            return self._process

    def _keep(self) -> None:
        while True:
            self._process.wait()
            with self._lock:
                if not self._is_needed:
                    return
                _close(self._process)
                try:
                    self._process = _start(self._folder)
                except StackError:
                    # No process can be started any more: the run's own end is near.
                    return


def _start(folder: Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            # -I -S: the guard must not depend on the environment, and must start fast.
            [sys.executable, "-I", "-S", str(_PROGRAM), _search_path(), str(folder), str(os.getpid())],
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


def _search_path() -> str:
    """Where Python looks for modules, absolute, because the guard runs elsewhere."""
    found = []
    for entry in sys.path:
        # A current folder that is gone has no modules either.
        with contextlib.suppress(FileNotFoundError):
            found.append(os.path.abspath(entry))  # noqa: PTH100 - zip files too
    return json.dumps(found)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
