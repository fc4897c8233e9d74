"""The result folder: one for each run, made and tried out before anything is measured."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import InputError

PARTS = ("config", "samples", "logs")


def slug(text: str) -> str:
    """Write *text* as a file name: lower case, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unnamed"


def prepare_folder(root: Path, scenario: str, run_id: str, now: datetime) -> Path:
    """Make ``<root>/<UTC time>-<scenario>-<run_id>/`` with its parts, and prove that it can be written.

    Raises:
        InputError: the folder exists already, or cannot be made or written.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = root / f"{stamp}-{slug(scenario)}-{slug(run_id)}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        for part in PARTS:
            (folder / part).mkdir()
        trial = folder / ".writable"
        with trial.open("wb") as out:
            # Forces the block to be allocated: a full disk shows now, not after the measurement.
            out.write(b"\0" * 65536)
            out.flush()
            os.fsync(out.fileno())
        trial.unlink()
    except FileExistsError as error:
        raise InputError(
            "something with that name is already there, and results are never overwritten.",
            where=str(error.filename or folder),
            remedy="Move it away or choose another folder with --out.",
        ) from error
    except OSError as error:
        raise InputError(
            f"results cannot be written here ({error.strerror}).",
            where=str(error.filename or root),
            remedy="Choose a folder that you may write with --out.",
        ) from error
    return folder
