"""Run folders: private, supervised, and cleared when a run was killed."""

from bench.stack.runs.folder import ProcessMark, RunFolder
from bench.stack.runs.stale import (
    Run,
    clear,
    describe,
    end_containers,
    end_orphans,
    end_processes,
    end_run,
    find_runs,
)
from bench.stack.runs.supervised_folder import supervised_folder

__all__ = [
    "ProcessMark",
    "Run",
    "RunFolder",
    "clear",
    "describe",
    "end_containers",
    "end_orphans",
    "end_processes",
    "end_run",
    "find_runs",
    "supervised_folder",
]
