"""The output of the components of running stacks, line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.errors import InputError
from bench.stack.runs import Run, find_runs

_LOOK_EVERY_S = 0.2


def lines_of(
    part: str | None = None,
    *,
    follow: bool = False,
    runs: Callable[[], list[Run]] = find_runs,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Lines of the output of *part*, or of all components, each after its stack and component.

    Args:
        part: name of a proxy or node.
        follow: go on with new lines until all stacks are gone.
        runs: where the stacks are learnt from.
        sleep: waits between two looks.

    Raises:
        InputError: no stack runs, or no component is called so.
    """
    logs = {
        f"{run.name} {each.name}": each.log
        for run in runs()
        if run.is_owner_running
        for each in run.components
        if part is None or each.name == part
    }
    if not logs:
        named = f"no running stack has a component called {part}" if part else "no stack is running"
        raise InputError(f"{named}.", remedy="`egress-bench status` shows what runs.")
    offsets = dict.fromkeys(logs, 0)
    while True:
        for title, log in logs.items():
            for line in _new_lines(log, title, offsets):
                yield f"{title}: {line}"
        if not follow or not any(log.parent.is_dir() for log in logs.values()):
            return
        sleep(_LOOK_EVERY_S)


def _new_lines(log: Path, title: str, offsets: dict[str, int]) -> list[str]:
    """Whole lines that came since the last look."""
    try:
        with log.open("rb") as file:
            file.seek(offsets[title])
            text = file.read()
    except OSError:
        return []
    whole = text[: text.rfind(b"\n") + 1]
    offsets[title] += len(whole)
    return whole.decode("utf-8", "replace").splitlines()
