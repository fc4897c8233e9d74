"""The private folder of one run, marked so that what a killed run left can be found.

    <tmp>/egress-bench-<pid>-<random>/     0700
    ├── owner.json          who made it: process id, its start, the run's name
    ├── processes.jsonl     every process started for it, written the moment it exists
    ├── components.json     what runs and where it is reached, once the stack is ready
    ├── shared-memory       memory outside of the folder that goes with it, by name
    └── …                   configuration, logs

Private keys live here and nowhere else, and go with the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from bench.disks import refusal
from bench.errors import StackError

PREFIX = "egress-bench-"
_NAME = re.compile(rf"{PREFIX}(\d+)-[0-9a-f]{{8}}")
OWNER = "owner.json"
PROCESSES = "processes.jsonl"
CONTROL_PLANE = "control plane"
"""The name under which the process is noted that feeds the proxies of a run."""
_SHARED_MEMORY = "shared-memory"
_MEMORY_ROOT = Path("/dev/shm")  # noqa: S108 - a folder of the system's
"""Where Linux shows shared memory as files."""
_MEMORY_NAME = re.compile(r"envoy_shared_memory_\d+")


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process that cannot be confused with a later one of the same id."""

    pid: int
    started: float
    """Seconds since the epoch, as the kernel keeps it: compare with ``is_same``, never for equality."""
    name: str

    @classmethod
    def of(cls, pid: int, name: str) -> Self | None:
        """Mark a running process; None if it is gone already."""
        try:
            return cls(pid, psutil.Process(pid).create_time(), name)
        except psutil.Error:
            return None

    def is_running(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            return self.is_same(process) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def is_same(self, process: psutil.Process) -> bool:
        """Whether *process* is the one that was marked.

        The kernel counts in hundredths of a second since boot, and the boot time moves when the clock is
        set: a second of tolerance is far below the time in which process ids come round again.
        """
        try:
            return process.pid == self.pid and abs(process.create_time() - self.started) < 1.0
        except psutil.Error:
            return False


def is_run_folder(name: str) -> bool:
    """Whether a folder has the name of a run folder."""
    return _NAME.fullmatch(name) is not None


class RunFolder:
    """A private folder that knows its owner."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def choose(cls, parent: Path | None = None) -> Self:
        """Choose a new path below the system's folder for temporary files (or *parent*); make nothing."""
        root = parent if parent is not None else Path(tempfile.gettempdir())
        return cls(root.resolve() / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}")

    @classmethod
    def create(cls, name: str, parent: Path | None = None) -> Self:
        """Choose a path and make the folder; see ``make``."""
        folder = cls.choose(parent)
        folder.make(name)
        return folder

    def make(self, name: str) -> None:
        """Make the folder, 0700, and mark it as this process's, under the name of the run.

        Raises:
            StackError: the folder cannot be made, or is there already.
        """
        owner = ProcessMark.of(os.getpid(), name)
        try:
            self.path.mkdir(mode=0o700)
            mark = {**asdict(owner), "namespace": _namespace()} if owner else None
            (self.path / OWNER).write_text(json.dumps(mark), encoding="utf-8")
        except OSError as error:
            raise StackError(
                f"cannot make a run folder: {refusal(error, self.path)}.",
                where=str(self.path.parent),
                remedy="Set TMPDIR to a folder that you may write and that has room.",
            ) from error

    def record_process(self, mark: ProcessMark) -> None:
        """Note a started process, for whoever must clear up after a killed run."""
        with (self.path / PROCESSES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(mark)) + "\n")

    def owner(self) -> ProcessMark | None:
        """Who made the folder; None if that is not known.

        A mark that is missing or torn may still be in the writing: the process of the folder's own name is
        its owner if it was there before the folder.
        """
        mark = self._mark()
        try:
            return ProcessMark(mark["pid"], mark["started"], mark["name"])
        except KeyError:
            return self._named_owner()

    def _named_owner(self) -> ProcessMark | None:
        named = _NAME.fullmatch(self.path.name)
        found = ProcessMark.of(int(named.group(1)), self.path.name) if named is not None else None
        try:
            is_older = found is not None and found.started <= self.path.stat().st_ctime
        except OSError:
            return None
        return found if is_older else None

    def is_foreign(self) -> bool:
        """Whether it was made in another container, whose process ids mean nothing here."""
        return bool(self._mark().get("namespace", _namespace()) != _namespace())

    def _mark(self) -> dict[str, Any]:
        try:
            mark = json.loads((self.path / OWNER).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return mark if isinstance(mark, dict) else {}

    def processes(self) -> tuple[ProcessMark, ...]:
        """Every process noted; a line torn by a kill is left out."""
        marks = []
        try:
            lines = (self.path / PROCESSES).read_text(encoding="utf-8").splitlines()
        except OSError:
            return ()
        for line in lines:
            try:
                marks.append(ProcessMark(**json.loads(line)))
            except (ValueError, TypeError, RecursionError):
                continue
        return tuple(marks)

    def record_shared_memory(self, name: str) -> None:
        """Note shared memory that nobody deletes by itself, before it is made; it goes with the folder."""
        with (self.path / _SHARED_MEMORY).open("a", encoding="ascii") as file:
            file.write(f"{name}\n")

    def _remove_shared_memory(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for name in (self.path / _SHARED_MEMORY).read_text(encoding="ascii").splitlines():
                # A line may be torn by a kill.
                if _MEMORY_NAME.fullmatch(name):
                    (_MEMORY_ROOT / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder with everything in it. Safe to call twice."""
        self._remove_shared_memory()
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _namespace() -> str:
    """What process ids are counted in; empty where there is only one."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - a name, not a path
    except OSError:
        return ""
