"""What runs of a stack, as a file in its run folder for other processes: ``status`` and ``down``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.stack.protocol import Component
from bench.stack.runs.folder import RunFolder

COMPONENTS = "components.json"


def write_components(folder: RunFolder, components: Sequence[Component]) -> None:
    """Describe the components; raises ``OSError`` if the file cannot be written."""
    text = json.dumps([_to_json(component) for component in components], indent=1)
    # Whole or not at all: somebody may be reading.
    staged = folder.path / f"{COMPONENTS}.new"
    staged.write_text(text, encoding="utf-8")
    staged.replace(folder.path / COMPONENTS)


def read_components(folder: RunFolder) -> tuple[Component, ...]:
    """The components of a run, in start order; empty while it is not ready, or nothing readable is there."""
    try:
        found = json.loads((folder.path / COMPONENTS).read_text(encoding="utf-8"))
        return tuple(_from_json(component) for component in found)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def _to_json(component: Component) -> dict[str, Any]:
    return {
        "name": component.name,
        "kind": component.kind,
        "role": component.role,
        "pid": component.pid,
        "addresses": [[list(translated), list(real)] for translated, real in component.addresses.items()],
        "admin_url": component.admin_url,
        "log": str(component.log),
        "access_log": _text(component.access_log),
        "tls": component.tls,
        "protocol": component.protocol,
        "config": _text(component.config),
        "container": component.container,
        "replica_of": component.replica_of,
        "is_redirected": component.is_redirected,
    }


def _from_json(component: dict[str, Any]) -> Component:
    return Component(
        name=component["name"],
        kind=component["kind"],
        role=component["role"],
        pid=component["pid"],
        addresses={
            (translated[0], translated[1]): (real[0], real[1]) for translated, real in component["addresses"]
        },
        admin_url=component["admin_url"],
        log=Path(component["log"]),
        access_log=_path(component["access_log"]),
        tls=component.get("tls"),
        protocol=component.get("protocol"),
        config=_path(component["config"]),
        container=component.get("container"),
        replica_of=component.get("replica_of"),
        is_redirected=component.get("is_redirected", False),
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
