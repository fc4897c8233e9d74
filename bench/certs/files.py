"""Certificates and keys as files: who may read them, and how one generation follows the other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.certs.authority import Issued
from bench.disks import refusal
from bench.errors import StackError


def make_private(folder: Path) -> None:
    """Make an empty folder that nobody else sees into.

    Raises:
        StackError: it cannot be made, or is not empty.
    """
    with write_errors_explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkdir leaves the mode of a folder that was there already.
        folder.chmod(0o700)
        occupied = next(folder.iterdir(), None)
    if occupied is not None:
        raise StackError(
            "the folder for certificates is not empty.", where=str(folder), remedy="Give a new folder."
        )


@contextlib.contextmanager
def write_errors_explained(folder: Path) -> Iterator[None]:
    """Raise ``StackError`` for what the disk of *folder* refuses."""
    try:
        yield
    except OSError as error:
        raise StackError(
            f"cannot keep certificates there: {refusal(error, folder)}.",
            where=str(folder),
            remedy="Set TMPDIR to a folder that you may write and that has room.",
        ) from error


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write *files* into *folder*, each by rename over what is there; keys are readable by the owner alone.

    Raises:
        StackError: one cannot be written.
    """
    with write_errors_explained(folder):
        for name, content in files.items():
            fresh = folder / f"{name}.new"
            fresh.unlink(missing_ok=True)
            write(fresh, content, 0o600 if name.endswith(".key") else 0o644)
            fresh.replace(folder / name)


def write_pair(folder: Path, name: str, issued: Issued) -> None:
    """Write ``NAME.crt`` and ``NAME.key``."""
    write(folder / f"{name}.crt", issued.certificate_pem, 0o644)
    write(folder / f"{name}.key", issued.key_pem, 0o600)


def write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet, with *mode*."""
    # The mode is given at creation: there is no moment in which a key is readable by others.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def point_live_at(folder: Path, generation: int) -> None:
    """Let ``live`` lead to that generation, by one rename."""
    link = folder / f"live.{generation}"
    link.symlink_to(str(generation))
    link.replace(folder / "live")
