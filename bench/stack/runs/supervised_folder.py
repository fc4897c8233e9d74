"""A private folder for what several stacks share, such as keys."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.stack.guard import Guard
from bench.stack.runs.folder import RunFolder


@contextlib.contextmanager
def supervised_folder(name: str, parent: Path | None = None) -> Iterator[Path]:
    """Make a folder, 0700, that goes when the block ends, or this process, however it ends.

    Args:
        name: of the run, as ``status`` shows it.
        parent: where it is made; default: the system's folder for temporary files.

    Raises:
        StackError: it cannot be made.
    """
    folder = RunFolder.choose(parent)
    guard = Guard(folder.path)
    try:
        folder.make(name)
        yield folder.path
    finally:
        # Interrupted here, the guard is dropped instead of dismissed, and removes the folder itself.
        folder.remove()
        guard.dismiss()
