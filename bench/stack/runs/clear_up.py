"""What a guard does when the run that it watches over is gone."""

from __future__ import annotations

import contextlib
from pathlib import Path

from bench.stack.runs.folder import RunFolder
from bench.stack.runs.stale import end_containers, end_processes


def clear_up(folder: str) -> None:
    """End everything of a run and delete its folder, private keys included; what fails stops nothing else."""
    run_folder = RunFolder(Path(folder))
    with contextlib.suppress(Exception):
        end_processes(run_folder)
    with contextlib.suppress(Exception):
        end_containers(run_folder)
    run_folder.remove()
