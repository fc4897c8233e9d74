"""The control plane of one stack: a supervised process, its sockets and its door."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import StackError
from bench.placement import ConfigFile
from bench.stack.control.client import ControlDoor
from bench.stack.processes import Process
from bench.stack.protocol import ControlState
from bench.stack.proxies import socket_fits
from bench.stack.runs import CONTROL_PLANE, RunFolder
from bench.translate import ADS_FOLDER, TYPE_URLS


@dataclass(frozen=True, slots=True)
class ControlFolder:
    """Where its files lie: below the run folder, which is closed to others."""

    path: Path

    @classmethod
    def of(cls, run: Path) -> ControlFolder:
        """Give that of the run folder *run*, under a name that no part has."""
        return cls(run / "_control")

    @property
    def shared(self) -> Path:
        """The folder that a proxy's container sees: nothing but the socket is in it."""
        return self.path / "proxies"

    @property
    def socket(self) -> Path:
        """Where proxies find it."""
        return self.shared / "ads.sock"

    @property
    def door(self) -> Path:
        """Where the stack's owner finds it."""
        return self.path / "door.sock"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.path / "output.log"

    def make(self) -> None:
        """Create the folders.

        Raises:
            StackError: the path is too long for a Unix socket.
        """
        if not socket_fits(self.socket):
            raise StackError(
                "the path of the run folder is too long for a Unix socket.",
                where=str(self.socket),
                remedy="Set TMPDIR to a folder with a shorter path.",
            )
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.shared.mkdir(mode=0o711, exist_ok=True)


Wait = Callable[[Process, Callable[[], bool]], None]
"""Returns when a process is ready; raises ``StackError`` when it cannot be any more."""


class ControlPlane:
    """Starts with the constructor. Its process is one of the stack's, which ends it."""

    def __init__(self, run: RunFolder, wait: Wait) -> None:
        """Start it, and return when it serves; raises ``StackError`` if it does not."""
        self.folder = ControlFolder.of(run.path)
        self.folder.make()
        self._run = run
        self._wait = wait
        self._published: dict[str, Path] = {}
        self._is_killed = False
        self.process = self._start()
        self._door = ControlDoor(self.folder.door)
        self._await()

    @property
    def has_died(self) -> bool:
        """Whether it has ended by itself."""
        return not self._is_killed and self.process.exit_code() is not None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def publish(self, proxy: str, config_root: Path, files: Iterable[ConfigFile]) -> None:
        """Let *proxy* have what of *files* the control plane serves; they are written already."""
        kinds = [Path(file.path).stem for file in files if Path(file.path).parent.name == ADS_FOLDER]
        if kinds:
            self._published[proxy] = config_root
            self._door.publish(proxy, config_root / ADS_FOLDER, kinds)

    def publish_all(self, proxy: str, config_root: Path) -> None:
        """Let *proxy* have everything that is below its folder."""
        self.publish(proxy, config_root, [ConfigFile(f"{ADS_FOLDER}/{kind}.json", "") for kind in TYPE_URLS])

    def state(self, since: int = 0) -> ControlState:
        """Who is connected, and what has happened after event *since*."""
        if self.process.exit_code() is not None:
            raise StackError(f"the {CONTROL_PLANE} {self.process.how_it_ended()}.")
        return self._door.state(since)

    def kill(self) -> None:
        """End it as a crash does: the stack does not count it as dead from then on."""
        self._is_killed = True
        # First: the library reports on standard error when the other end of a channel goes away.
        self._door.close()
        self.process.end()

    def start_again(self) -> None:
        """Start it again after its end; proxies come back by themselves, with the versions that they have."""
        if self.process.exit_code() is None:
            raise StackError(f"the {CONTROL_PLANE} still runs.")
        for socket in (self.folder.socket, self.folder.door):
            socket.unlink(missing_ok=True)
        self.process = self._start()
        self._is_killed = False
        self._door = ControlDoor(self.folder.door)
        self._await()
        for proxy, config_root in self._published.items():
            self.publish_all(proxy, config_root)

    def close(self) -> None:
        """Close the door; the process is the stack's to end, after that."""
        self._door.close()

    def _start(self) -> Process:
        command = [
            sys.executable,
            "-m",
            "bench.stack.control",
            str(self.folder.socket),
            str(self.folder.door),
        ]
        return Process(CONTROL_PLANE, command, log=self.folder.log, folder=self._run)

    def _answers(self) -> bool:
        if self.process.exit_code() is not None:
            raise self.process.died(" before it was ready")
        return self._door.answers()

    def _await(self) -> None:
        self._wait(self.process, self._answers)
        # The user of a proxy's container is another one than root; nothing else gets into the run folder.
        self.folder.socket.chmod(0o666)
