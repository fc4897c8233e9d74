"""The load generator: what it is asked (plan), what it reports while it runs (events), its result (outcome).

``bench.load.run`` does it, in Locust processes (``locust``) that carry the engine (``engine``).
"""

from bench.load.events import (
    LoadEvent,
    Progress,
    RemoteWorkersStatus,
    StageEnded,
    StageStarted,
    WorkerLost,
)
from bench.load.outcome import EndedIds, Example, Generator, LoadOutcome, Second, StageOutcome
from bench.load.packing import unpack_sequences
from bench.load.plan import Expectation, LoadPlan, RequestKind, Stage, Target, TargetTls, Turns

__all__ = [
    "EndedIds",
    "Example",
    "Expectation",
    "Generator",
    "LoadEvent",
    "LoadOutcome",
    "LoadPlan",
    "Progress",
    "RemoteWorkersStatus",
    "RequestKind",
    "Second",
    "Stage",
    "StageEnded",
    "StageOutcome",
    "StageStarted",
    "Target",
    "TargetTls",
    "Turns",
    "WorkerLost",
    "unpack_sequences",
]
