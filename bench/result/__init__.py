"""What lies on disk after a run. A report is made from this alone."""

from __future__ import annotations

from bench.result.counts import Counts, SubsetOutcome
from bench.result.document import (
    SCHEMA_VERSION,
    Fingerprint,
    LimitCheck,
    Result,
    RunWarning,
    VerificationLine,
)
from bench.result.faults import FaultResult, FaultsResult
from bench.result.handshake import HANDSHAKE_KINDS, HandshakeKind, HandshakeMode, HandshakeResult
from bench.result.ledger import ConnectionProof, LedgerBook, LedgerLevel, LedgerResult
from bench.result.load import (
    Comparison,
    ComponentCost,
    FailureExample,
    GeneratorResult,
    Latency,
    StageCounts,
    SubsetResult,
    TrialResult,
)
from bench.result.reasons import UNANSWERED, Reason, ReasonCode
from bench.result.storage import RESULT_FILE, read_result, write_result

__all__ = [
    "HANDSHAKE_KINDS",
    "RESULT_FILE",
    "SCHEMA_VERSION",
    "UNANSWERED",
    "Comparison",
    "ComponentCost",
    "ConnectionProof",
    "Counts",
    "FailureExample",
    "FaultResult",
    "FaultsResult",
    "Fingerprint",
    "GeneratorResult",
    "HandshakeKind",
    "HandshakeMode",
    "HandshakeResult",
    "Latency",
    "LedgerBook",
    "LedgerLevel",
    "LedgerResult",
    "LimitCheck",
    "Reason",
    "ReasonCode",
    "Result",
    "RunWarning",
    "StageCounts",
    "SubsetOutcome",
    "SubsetResult",
    "TrialResult",
    "VerificationLine",
    "read_result",
    "write_result",
]
