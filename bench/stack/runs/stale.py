"""Runs on this machine: which there are, which of them are stale, how they end.

A process is ended only if it is beyond doubt one of the run's: marked with its id *and* its start, a member
of a session that such a process leads, or one that runs in the run's own folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.errors import StackError
from bench.stack.protocol import Component
from bench.stack.runs.components import read_components
from bench.stack.runs.containers import marked_project
from bench.stack.runs.folder import CONTROL_PLANE, PREFIX, ProcessMark, RunFolder, is_run_folder

PROGRAMS = frozenset({"envoy", "nginx"})


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder found on this machine."""

    folder: Path
    owner: ProcessMark | None
    is_owner_running: bool
    """Whether the run is alive: then it is not stale."""
    processes: tuple[int, ...]
    """Ids of processes that belong to it and still run."""
    components: tuple[Component, ...] = ()
    """What runs, once the stack is ready; empty for a run that only keeps keys."""
    control_plane: ProcessMark | None = None
    """What feeds its proxies, whether it still runs or not; None: files do."""

    @property
    def name(self) -> str:
        """The run's name, or the folder's if its mark is lost."""
        return self.owner.name if self.owner else self.folder.name


def find_runs(parent: Path | None = None) -> list[Run]:
    """List all runs of this user in this container, alive or stale, by folder name."""
    root = parent if parent is not None else Path(tempfile.gettempdir())
    runs = []
    for folder in sorted(root.glob(f"{PREFIX}*")):
        # Other files of this program lie there under similar names, such as those of a `check` that runs.
        if not is_run_folder(folder.name):
            continue
        try:
            is_ours = folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid()
        except OSError:
            continue
        if is_ours and not RunFolder(folder).is_foreign():
            runs.append(describe(folder.resolve()))
    return runs


def describe(folder: Path) -> Run:
    """Read one run folder."""
    run_folder = RunFolder(folder)
    owner = run_folder.owner()
    planes = [mark for mark in run_folder.processes() if mark.name == CONTROL_PLANE]
    return Run(
        folder=folder,
        owner=owner,
        is_owner_running=owner is not None and owner.is_running(),
        processes=tuple(sorted(process.pid for process in _members(run_folder))),
        components=read_components(run_folder),
        # It may have been started again.
        control_plane=planes[-1] if planes else None,
    )


def clear(run: Run, *, grace_s: float = 3.0) -> None:
    """End what still runs of *run* and delete its folder.

    Raises:
        StackError: its owner is alive (end that instead), or a process cannot be ended.
    """
    folder = RunFolder(run.folder)
    owner = folder.owner()
    if owner is not None and owner.is_running():
        raise StackError(
            f"the run {owner.name!r} is still running in process {owner.pid}.",
            where=str(run.folder),
            remedy="Stop that process first; it clears up after itself.",
        )
    end_processes(folder, grace_s=grace_s)
    end_containers(folder)
    folder.remove()


def end_run(run: Run, *, grace_s: float = 10.0) -> None:
    """Ask the owner of a living run to end, wait until it has cleared up, and clear what it left."""
    owner = run.owner
    if owner is not None and owner.is_running():
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(owner.pid).terminate()
        deadline = time.monotonic() + grace_s
        while owner.is_running():
            if time.monotonic() >= deadline:
                raise StackError(
                    f"the run {run.name!r} does not end within {grace_s:g} s.",
                    where=str(run.folder),
                    remedy=f"End process {owner.pid} by hand.",
                )
            time.sleep(0.02)
    clear(describe(run.folder))


def end_processes(folder: RunFolder, *, grace_s: float = 3.0) -> None:
    """End every process of a run: politely first, then not.

    Raises:
        StackError: one survives.
    """
    alive = _members(folder)
    for send in (signal.SIGTERM, signal.SIGKILL):
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.send_signal(send)
                # A stopped process cannot act on a signal before it goes on.
                process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + grace_s
        while any(_is_running(process) for process in alive) and time.monotonic() < deadline:
            time.sleep(0.01)
        # Between two looks a master may have made a new worker.
        alive = _members(folder)
        if not alive:
            return
    raise StackError(
        f"process {', '.join(str(process.pid) for process in alive)} cannot be ended.",
        where=str(folder.path),
        remedy="End it by hand, as the user who owns it.",
    )


def end_containers(folder: RunFolder) -> None:
    """Remove the containers and networks of a run, if it has any.

    Raises:
        StackError: the engine does not answer, or something cannot be removed.
    """
    project = marked_project(folder)
    if project is None:
        return
    from bench.stack.engine import connect, sweep  # noqa: PLC0415 - the SDK is heavy and seldom needed

    with contextlib.closing(connect()) as client:
        sweep(client, project)


def end_orphans() -> list[str]:
    """Remove containers of this user's runs whose folder was deleted; returns what was removed.

    Raises:
        StackError: something cannot be removed.
    """
    from bench.stack.engine import connect, orphans, sweep  # noqa: PLC0415 - as above

    try:
        client = connect()
    except StackError:
        # Without an engine there are no containers.
        return []
    with contextlib.closing(client):
        found = orphans(client, os.getuid())
        for project in found:
            sweep(client, project)
    return found


def _is_running(process: psutil.Process) -> bool:
    """A zombie has ended: when it vanishes is up to the process that adopted it."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _members(folder: RunFolder) -> list[psutil.Process]:
    marks = {mark.pid: mark for mark in folder.processes()}
    path = str(folder.path)
    own = {os.getpid(), os.getppid()}
    members = []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        try:
            if _is_running(process) and _is_member(process, marks, path):
                members.append(process)
        except (psutil.Error, OSError):
            continue
    return members


def _is_member(process: psutil.Process, marks: dict[int, ProcessMark], path: str) -> bool:
    mark = marks.get(process.pid)
    if mark is not None and mark.is_same(process):
        return True
    leader = marks.get(os.getsid(process.pid))
    if leader is not None and leader.pid != process.pid:
        # The kernel gives no id away while a session of that number exists, so the session is the marked
        # one unless its leader was replaced, and a replaced leader has another start.
        try:
            return leader.is_same(psutil.Process(leader.pid))
        except psutil.NoSuchProcess:
            return process.create_time() >= leader.started - 1.0
    # Started, and not yet noted when the run was killed: every part is started in the folder.
    return process.name() in PROGRAMS and process.cwd() == path
