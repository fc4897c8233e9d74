"""Files of a report on disk."""

from __future__ import annotations

from pathlib import Path

from bench.disks import write_whole
from bench.errors import InputError


def replace_file(path: Path, text: str) -> None:
    """Write a file of a report: whole, or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    try:
        write_whole(path, text)
    except OSError as error:
        raise InputError(
            f"the report cannot be written ({error.strerror}).",
            where=str(path),
            remedy="Make the folder writable, or copy it to a place that is.",
        ) from error
