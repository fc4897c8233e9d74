"""Which stacks run on this machine, and what killed runs left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.stack.runs import CONTROL_PLANE, Run, find_runs

SERVE_ON = "its proxies keep serving what they have, and no change reaches them"
"""What the loss of a control plane means."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The same facts as text and as a document."""

    text: str
    document: list[dict[str, Any]]


def describe_runs() -> Answer:
    """All runs of this user, living or stale."""
    runs = find_runs()
    if not runs:
        return Answer("nothing is running, nothing is left over", [])
    return Answer(
        "\n".join(line for run in runs for line in _lines(run)), [run_document(run) for run in runs]
    )


def run_document(run: Run) -> dict[str, Any]:
    """One run for ``--json``."""
    return {
        "name": run.name,
        "folder": str(run.folder),
        "owner": run.owner.pid if run.owner is not None else None,
        "running": run.is_owner_running,
        "processes": list(run.processes),
        "control_plane": None
        if run.control_plane is None
        else {"pid": run.control_plane.pid, "running": run.control_plane.is_running()},
        "components": [
            {
                "name": component.name,
                "kind": component.kind,
                "role": component.role,
                "pid": component.pid,
                "addresses": [f"{ip}:{port}" for ip, port in component.addresses.values()],
                "admin_url": component.admin_url,
            }
            for component in run.components
        ],
    }


def owner_text(run: Run) -> str:
    """Who made a run, in words."""
    return f"process {run.owner.pid}" if run.owner is not None else "an unknown process"


def _lines(run: Run) -> Iterator[str]:
    state = (
        f"running, owned by {owner_text(run)}"
        if run.is_owner_running
        else f"left over by {owner_text(run)}; `egress-bench down` clears it"
    )
    yield f"{run.name}: {state}"
    for component in run.components:
        places = ", ".join(f"{ip}:{port}" for ip, port in component.addresses.values())
        yield f"  {component.name:<10} {component.kind:<6} {component.role:<8} {places}"
    if run.control_plane is not None and run.components:
        state = "serves" if run.control_plane.is_running() else f"has ended; {SERVE_ON}"
        yield f"  {CONTROL_PLANE:<13} {state}"
