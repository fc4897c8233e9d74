"""The running parts of a stack as a file in its run folder, for other processes: ``status`` and ``down``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.stack.protocol import Component
from bench.stack.runs.folder import RunFolder

PARTS = "parts.json"


def write_components(folder: RunFolder, parts: Sequence[Component]) -> None:
    """Describe the parts; raises ``OSError`` if the file cannot be written."""
    text = json.dumps([_to_json(part) for part in parts], indent=1)
    # Whole or not at all: somebody may be reading.
    staged = folder.path / f"{PARTS}.new"
    staged.write_text(text, encoding="utf-8")
    staged.replace(folder.path / PARTS)


def read_components(folder: RunFolder) -> tuple[Component, ...]:
    """The parts of a run, in start order; empty while it is not ready, or if nothing readable is there."""
    try:
        found = json.loads((folder.path / PARTS).read_text(encoding="utf-8"))
        return tuple(_from_json(part) for part in found)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _to_json(part: Component) -> dict[str, Any]:
    return {
        "name": part.name,
        "kind": part.kind,
        "role": part.role,
        "pid": part.pid,
        "addresses": [[list(translated), list(real)] for translated, real in part.addresses.items()],
        "admin_url": part.admin_url,
        "log": str(part.log),
        "access_log": _text(part.access_log),
        "config": _text(part.config),
        "container": part.container,
    }


def _from_json(part: dict[str, Any]) -> Component:
    return Component(
        name=part["name"],
        kind=part["kind"],
        role=part["role"],
        pid=part["pid"],
        addresses={
            (translated[0], translated[1]): (real[0], real[1]) for translated, real in part["addresses"]
        },
        admin_url=part["admin_url"],
        log=Path(part["log"]),
        access_log=_path(part["access_log"]),
        config=_path(part["config"]),
        container=part.get("container"),
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
