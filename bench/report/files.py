"""Files of a report on disk."""

from __future__ import annotations

import os
from pathlib import Path

from bench.errors import InputError


def replace_file(path: Path, text: str) -> None:
    """Write a file of a report: whole, or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(
            f"the report cannot be written ({error.strerror}).",
            where=str(path),
            remedy="Make the folder writable, or copy it to a place that is.",
        ) from error
