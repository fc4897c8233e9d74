"""Run folders: private, supervised, and cleared when a run was killed."""

from bench.stack.runs.components import write_components
from bench.stack.runs.containers import mark_containers
from bench.stack.runs.folder import CONTROL_PLANE, ProcessMark, RunFolder
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
    "CONTROL_PLANE",
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
    "mark_containers",
    "supervised_folder",
    "write_components",
]
