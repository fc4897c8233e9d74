"""Keep what ran: configuration and output of every part, for the result folder. No key is among it."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.disks import refusal
from bench.errors import StackError
from bench.stack.protocol import Stack


def save_config(stack: Stack, folder: Path) -> None:
    """Copy the files that each part runs with to ``FOLDER/<part>/``: Envoy's as they are now, nginx's.

    Raises:
        StackError: a file cannot be read or written.
    """
    for part in stack.components():
        if part.config is None:
            continue
        if part.config.is_dir():
            _copy(part.name, part.config, folder / part.name)
        else:
            _copy(part.name, part.config, folder / part.name / part.config.name)
    for file in stack.own_files():
        _copy("the stack", file, folder / file.name)


def save_logs(stack: Stack, folder: Path, *, with_access_logs: bool = True) -> None:
    """Copy each part's output to ``FOLDER/<part>.log`` and its access log to ``FOLDER/<part>.access.log``.

    Call it before the stack is stopped: the originals go with it. Parts that wrote nothing are left out.

    Raises:
        StackError: a file cannot be read or written.
    """
    for part in stack.components():
        if part.log.exists():
            _copy(part.name, part.log, folder / f"{part.name}.log")
        if with_access_logs and part.access_log is not None and part.access_log.exists():
            _copy(part.name, part.access_log, folder / f"{part.name}.access.log")


def _copy(name: str, source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            # Copying goes on after an OSError and lists them all at its end: this one ends it.
            shutil.copytree(
                source,
                target,
                dirs_exist_ok=True,
                copy_function=lambda *pair: _copy_file(name, *map(Path, pair)),
            )
        else:
            _copy_file(name, source, target)
    except shutil.Error as error:
        # Folders alone are left, each with its reason.
        raise _refused(name, target, str(error.args[0][0][-1])) from error
    except OSError as error:
        raise _refused(name, target, refusal(error, target)) from error


def _copy_file(name: str, source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        # It names the source first, and the disk is the target's.
        raise _refused(name, target, refusal(OSError(error.errno, error.strerror), target)) from error


def _refused(name: str, target: Path, why: str) -> StackError:
    return StackError(
        f"what {name} wrote cannot be kept: {why}.",
        where=str(target),
        remedy="Make room on the disk, or name another folder with --out.",
    )
