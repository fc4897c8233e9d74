"""The note in a run folder that the run has containers. Light: the guard of every run looks for it."""

from __future__ import annotations

import json

from bench.stack.runs.folder import RunFolder

MARK = "containers.json"


def mark_containers(folder: RunFolder, project: str) -> None:
    """Note, before the first one exists, that a run starts containers; raises ``OSError``."""
    (folder.path / MARK).write_text(json.dumps({"project": project}), encoding="utf-8")


def marked_project(folder: RunFolder) -> str | None:
    """The project under which a run's containers are labelled; None if it starts none."""
    try:
        return str(json.loads((folder.path / MARK).read_text(encoding="utf-8"))["project"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
