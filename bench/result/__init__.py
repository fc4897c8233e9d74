"""What lies on disk after a run. A report is made from this alone."""

from __future__ import annotations

from bench.result.capacity import (
    CapacityResult,
    CapacityState,
    CapacityTrial,
    CapacityWindow,
    Constraint,
    ConstraintCode,
    LaneUse,
    MemoryUse,
    PortsTaken,
)
from bench.result.cost import (
    CostModel,
    CostTerm,
    PlanQuestion,
    PlanResult,
    PlanWall,
    Residual,
    WhatIf,
)
from bench.result.counts import Counts, SubsetOutcome
from bench.result.document import (
    AnswerCause,
    Fingerprint,
    LimitCheck,
    Result,
    RunWarning,
    VerificationLine,
)
from bench.result.faults import FaultResult, FaultsResult
from bench.result.handshake import HANDSHAKE_KINDS, HandshakeKind, HandshakeMode, HandshakeResult
from bench.result.history import SCHEMA_VERSION
from bench.result.ledger import (
    ConnectionProof,
    LedgerBook,
    LedgerDamage,
    LedgerLevel,
    LedgerNote,
    LedgerResult,
    MissingBook,
)
from bench.result.ledger_codes import BlindPair, Book, Cause, DamageCode, MissingCode, NoteCode
from bench.result.load import (
    Comparison,
    ComponentCost,
    FailureExample,
    GeneratorResult,
    Latency,
    MachineUse,
    StageCounts,
    SubsetResult,
    TrialResult,
)
from bench.result.reasons import UNANSWERED, Reason, ReasonCode
from bench.result.seconds import SecondRow
from bench.result.shares import NodeShare, SharesResult
from bench.result.storage import RESULT_FILE, read_result, write_result
from bench.result.traffic import MixResult, TrafficResult
from bench.result.update import ChangeResult, UpdateResult, UpdatesOfSource

__all__ = [
    "HANDSHAKE_KINDS",
    "RESULT_FILE",
    "SCHEMA_VERSION",
    "UNANSWERED",
    "AnswerCause",
    "BlindPair",
    "Book",
    "CapacityResult",
    "CapacityState",
    "CapacityTrial",
    "CapacityWindow",
    "Cause",
    "ChangeResult",
    "Comparison",
    "ComponentCost",
    "ConnectionProof",
    "Constraint",
    "ConstraintCode",
    "CostModel",
    "CostTerm",
    "Counts",
    "DamageCode",
    "FailureExample",
    "FaultResult",
    "FaultsResult",
    "Fingerprint",
    "GeneratorResult",
    "HandshakeKind",
    "HandshakeMode",
    "HandshakeResult",
    "LaneUse",
    "Latency",
    "LedgerBook",
    "LedgerDamage",
    "LedgerLevel",
    "LedgerNote",
    "LedgerResult",
    "LimitCheck",
    "MachineUse",
    "MemoryUse",
    "MissingBook",
    "MissingCode",
    "MixResult",
    "NodeShare",
    "NoteCode",
    "PlanQuestion",
    "PlanResult",
    "PlanWall",
    "PortsTaken",
    "Reason",
    "ReasonCode",
    "Residual",
    "Result",
    "RunWarning",
    "SecondRow",
    "SharesResult",
    "StageCounts",
    "SubsetOutcome",
    "SubsetResult",
    "TrafficResult",
    "TrialResult",
    "UpdateResult",
    "UpdatesOfSource",
    "VerificationLine",
    "WhatIf",
    "read_result",
    "write_result",
]
