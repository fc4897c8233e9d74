"""Files on disks: written whole, and what the operating system refused, in words that name the disk."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def write_whole(path: Path, text: str) -> None:
    """Write a file so that whoever reads it finds all of it, or what was there before.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def refusal(error: OSError, place: Path) -> str:
    """Say why a file at *place* could not be written: of a full disk where it is mounted and what is free."""
    at = Path(os.fsdecode(error.filename)) if error.filename is not None else place
    if error.errno not in _FULL:
        return error.strerror or str(error)
    mount = mount_of(at)
    quota = " for this user (quota)" if error.errno == errno.EDQUOT else ""
    try:
        free = f", {shutil.disk_usage(mount).free >> 20} MiB free"
    except OSError:
        free = ""
    return f"the disk mounted at {mount} is full{quota}{free}"


def mount_of(path: Path) -> Path:
    """Where the disk of *path* is mounted; the path itself need not exist."""
    try:
        here = path.absolute()
    except FileNotFoundError:
        # The current folder is gone.
        return path
    while not here.is_mount() and here != here.parent:
        here = here.parent
    return here
