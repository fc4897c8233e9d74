"""End running stacks, and clear what killed runs left behind; each is named."""

from __future__ import annotations

from collections.abc import Sequence

from bench.commands.status import Answer, owner_text, run_document
from bench.errors import InputError
from bench.stack.runs import Run, clear, end_orphans, end_run, find_runs

_CLEAR_UP_S = 30.0
"""A run with containers takes its time to remove them."""


def end_runs(wanted: Sequence[str] = ()) -> Answer:
    """End runs of this user; a living one is asked to end, and it alone clears its folder up.

    Args:
        wanted: names of runs, their folders, or their owners' process ids; empty: all of them, and containers
            whose run folder is gone.

    Raises:
        InputError: no run is called so.
        StackError: a process cannot be ended.
    """
    runs = _chosen(find_runs(), wanted)
    lines = []
    for run in runs:
        if run.is_owner_running:
            end_run(run, grace_s=_CLEAR_UP_S)
            lines.append(f"ended {run.name}, owned by {owner_text(run)}{_components(run)}")
        elif run.folder.exists():
            clear(run)
            lines.append(
                f"cleared {run.name}, left over by {owner_text(run)}{_components(run)}: {run.folder}"
            )
    if not wanted:
        lines += [f"removed containers of {name}, whose run folder is gone" for name in end_orphans()]
    return Answer("\n".join(lines) or "nothing to stop", [run_document(run) for run in runs])


def _chosen(runs: Sequence[Run], wanted: Sequence[str]) -> list[Run]:
    if not wanted:
        return list(runs)
    chosen: list[Run] = []
    for word in wanted:
        found = [run for run in runs if word in _handles(run)]
        if not found:
            known = ", ".join(f"{run.name} ({owner_text(run)})" for run in runs) or "none"
            raise InputError(
                f"no run is called {word}; there are: {known}.", remedy="See `egress-bench status`."
            )
        chosen += [run for run in found if run not in chosen]
    return chosen


def _handles(run: Run) -> set[str]:
    """The words by which a run can be chosen."""
    owner = {str(run.owner.pid)} if run.owner is not None else set()
    return {run.name, run.folder.name, str(run.folder)} | owner


def _components(run: Run) -> str:
    names = ", ".join(component.name for component in run.components)
    return f" ({names})" if names else ""
