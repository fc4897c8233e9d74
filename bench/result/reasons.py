"""Why a request got no right answer: a code and what varies, never a sentence to be searched.

Where a decision hangs on a reason (the ledger's excuses, the diagnosis of faults) it hangs on these codes;
``text`` makes the words for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self


class ReasonCode(StrEnum):
    """Every way in which a request can end without a right answer."""

    # Unsent: it waited for a connection, or for its turn, and never got it.
    QUEUE_FULL = "queue-full"
    NO_CONNECTION = "no-connection"
    STOPPED = "stopped"
    WORKER_LOST = "worker-lost"
    # Unsent: its connection did not come about.
    REFUSED = "connect-refused"
    CONNECT_RESET = "connect-reset"
    CONNECT_TIMEOUT = "connect-timeout"
    UNREACHABLE = "connect-unreachable"
    NO_LOCAL_PORT = "no-local-port"
    TOO_MANY_FILES = "too-many-files"
    TLS = "tls-failed"
    CONNECT_FAILED = "connect-failed"
    # Failed: the connection ended under it before the first byte of an answer.
    CLOSED = "closed-before-answer"
    RESET = "reset-before-answer"
    BROKEN = "broken-before-answer"
    # Failed: an answer had begun, so the request was read by somebody.
    ANSWER_CUT = "answer-cut"
    STREAM_RESET = "stream-reset"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    # Failed: a whole answer, and not the right one.
    STATUS = "status"
    GRPC_STATUS = "grpc-status"
    WRONG_ID = "wrong-id"
    NO_ID = "no-id"
    NO_NODE = "no-node"
    TWO_NODES = "two-nodes"
    WRONG_BODY = "wrong-body"
    EXTRA_BYTES = "extra-bytes"
    # Misrouted.
    WRONG_NODE = "wrong-node"
    # Written by an older version, which stored sentences.
    UNKNOWN = "unknown"


UNANSWERED: Final = frozenset({ReasonCode.CLOSED, ReasonCode.RESET, ReasonCode.BROKEN})
"""Sent, and the connection ended before the first byte of an answer: alone these may never have been read by
whoever is at the other end."""

_TEXTS: Final[Mapping[ReasonCode, str]] = MappingProxyType(
    {
        ReasonCode.QUEUE_FULL: "queue full",
        ReasonCode.NO_CONNECTION: "still waiting for a connection at the end",
        ReasonCode.STOPPED: "stopped",
        ReasonCode.WORKER_LOST: "worker lost",
        ReasonCode.REFUSED: "connection refused",
        ReasonCode.CONNECT_RESET: "connection reset while connecting",
        ReasonCode.CONNECT_TIMEOUT: "connect timeout",
        ReasonCode.UNREACHABLE: "{} unreachable",
        ReasonCode.NO_LOCAL_PORT: "no free local port",
        ReasonCode.TOO_MANY_FILES: "too many open files",
        ReasonCode.TLS: "TLS: {}",
        ReasonCode.CONNECT_FAILED: "cannot connect: {}",
        ReasonCode.CLOSED: "connection closed before the answer",
        ReasonCode.RESET: "connection reset before the answer",
        ReasonCode.BROKEN: "connection broken before the answer: {}",
        ReasonCode.ANSWER_CUT: "connection {} in the middle of the answer",
        ReasonCode.TIMEOUT: "timeout",
        ReasonCode.STREAM_RESET: "stream reset ({})",
        ReasonCode.PROTOCOL: "{}",
        ReasonCode.STATUS: "status {}",
        ReasonCode.GRPC_STATUS: "gRPC status {}",
        ReasonCode.WRONG_ID: "answer to another request",
        ReasonCode.NO_ID: "no {} in the answer",
        ReasonCode.NO_NODE: "no {} in the answer",
        ReasonCode.TWO_NODES: "more than one {} in the answer",
        ReasonCode.WRONG_BODY: "wrong body",
        ReasonCode.EXTRA_BYTES: "bytes after the answer",
        ReasonCode.WRONG_NODE: "answered by {}",
        ReasonCode.UNKNOWN: "{}",
    }
)


_KNOWN: Final = frozenset(str(code) for code in ReasonCode)


@dataclass(frozen=True, slots=True)
class Reason:
    """A code, and what varies: the status, the node, the header's name, the system's word."""

    code: ReasonCode
    detail: str = ""

    @property
    def key(self) -> str:
        """One text for it, such as ``status:503``, for messages between processes; see ``of``."""
        return f"{self.code}:{self.detail}" if self.detail else str(self.code)

    @classmethod
    def of(cls, key: str) -> Self:
        """The reason of a ``key``.

        Raises:
            ValueError: there is no such code.
        """
        code, _, detail = key.partition(":")
        if code not in _KNOWN:
            raise ValueError(f"there is no reason named {code}")
        return cls(ReasonCode(code), detail)

    @property
    def text(self) -> str:
        """For people."""
        return _TEXTS[self.code].format(self.detail)
