"""Where a field of a scenario is written, by whichever of its names."""

from __future__ import annotations

from bench.errors import Position
from bench.istio.documents import Document
from bench.istio.problem import Path

_OTHER_NAMES: dict[Path, Path] = {("traffic", "requests"): ("traffic", "subsets")}


def place_of(document: Document, path: Path) -> Position:
    """Give ``file:line`` of the field at *path*, or of the nearest one above it that is written."""
    for name, other in _OTHER_NAMES.items():
        if path[: len(name)] == name and not document.has(name) and document.has(other):
            path = (*other, *path[len(name) :])
    return document.position(path)
