"""The shipped scenarios: found by their names, in a checkout and in an installed package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bench

_FILE = "scenario.yaml"


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One scenario of the library."""

    name: str
    description: str
    folder: Path


def library_folder() -> Path | None:
    """``scenarios/`` of a checkout, or its copy inside an installed package; None where neither is there."""
    package = Path(bench.__file__).resolve().parent
    for folder in (package.parent / "scenarios", package / "_scenarios"):
        if (folder / "egress-mtls" / _FILE).is_file():
            return _as_seen_from_here(folder)
    return None


def find_scenario(path: Path) -> Path:
    """Give the folder that *path* names: itself where it exists, else the scenario of the library."""
    if path.exists() or len(path.parts) != 1:
        return path
    folder = library_folder()
    if folder is not None and (folder / path / _FILE).is_file():
        return folder / path
    return path


def library() -> Iterator[LibraryEntry]:
    """Give the scenarios of the library by name."""
    folder = library_folder()
    for file in sorted(folder.glob(f"*/{_FILE}")) if folder is not None else ():
        yield LibraryEntry(file.parent.name, _description(file), file.parent)


def _description(file: Path) -> str:
    """Read one line: the whole scenario has no need to be read for a list."""
    prefix = "description:"
    for line in file.read_text("utf-8").splitlines():
        if line.startswith(prefix):
            return line.removeprefix(prefix).strip().strip("\"'")
    return ""


def _as_seen_from_here(folder: Path) -> Path:
    """Write *folder* as somebody in the current folder would."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
