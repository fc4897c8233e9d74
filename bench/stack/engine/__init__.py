"""The Docker engine: reach it, find and remove what runs left there."""

from bench.stack.engine.connection import connect, engine_errors_explained
from bench.stack.engine.labels import FOLDER_LABEL, OWNER_LABEL, PART_LABEL, RUN_LABEL
from bench.stack.engine.sweep import orphans, sweep

__all__ = [
    "FOLDER_LABEL",
    "OWNER_LABEL",
    "PART_LABEL",
    "RUN_LABEL",
    "connect",
    "engine_errors_explained",
    "orphans",
    "sweep",
]
