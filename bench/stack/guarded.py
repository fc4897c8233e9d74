"""A private folder for what must not outlive the run, such as keys: gone however the run ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.stack.guard import Guard
from bench.stack.runfolder import RunFolder


@contextlib.contextmanager
def guarded_folder(name: str) -> Iterator[Path]:
    """Make a folder, 0700, that a guard process deletes if this process cannot.

    Raises:
        StackError: it cannot be made.
    """
    folder = RunFolder.choose()
    # The guard first: there is no moment in which the folder exists unguarded.
    guard = Guard(folder.path)
    try:
        folder.make(name)
        yield folder.path
    finally:
        folder.remove()
        guard.dismiss()
