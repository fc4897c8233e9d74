"""What the load generator says of every single id: how it ended, and who must answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from bench.ledger.tally import Bytes, CodeNumbers, Ids
from bench.result import UNANSWERED, ReasonCode

Ints = npt.NDArray[np.int64]


class End(IntEnum):
    """How a request ended for its client, as far as it decides what the sidecar must have seen of it."""

    ANSWERED = 0
    """Rightly: whoever must answer has seen it."""
    FAILED = 1
    """Sent, and a wrong answer, half an answer, or none in time: the sidecar has seen it."""
    UNANSWERED = 2
    """Sent, and its own connection ended before the first byte of an answer: the sidecar may never have read
    it."""
    UNSENT = 3
    """Never put on a connection: nothing may have seen it."""
    UNKNOWN = 4
    """Of a worker that died before it could report: whether it was sent is unknown."""


@dataclass(frozen=True, slots=True)
class ClientIds:
    """What the load generator says of the ids of a window."""

    ids: Ids
    ends: Bytes
    """:class:`End` of each id."""
    wanted: CodeNumbers | None = None
    """For each id, which entry of ``wants`` must answer it; None: not checked here."""
    wants: tuple[tuple[str, ...], ...] = ()
    """Names of the nodes that may answer; none: a proxy answers, or nothing is checked."""
    has_all: bool = True
    """False: the client kept only some of the ids of its failures: its right answers are not known."""

    def of(self, *ends: End) -> npt.NDArray[np.bool_]:
        """The ids that ended in one of these ways."""
        return np.isin(self.ends, [int(end) for end in ends])

    def count(self, end: End) -> int:
        """How many ended so."""
        return int(np.count_nonzero(self.ends == end))


UNSENT_CODES = frozenset(
    {
        ReasonCode.QUEUE_FULL,
        ReasonCode.NO_CONNECTION,
        ReasonCode.STOPPED,
        ReasonCode.REFUSED,
        ReasonCode.CONNECT_RESET,
        ReasonCode.CONNECT_TIMEOUT,
        ReasonCode.UNREACHABLE,
        ReasonCode.NO_LOCAL_PORT,
        ReasonCode.TOO_MANY_FILES,
        ReasonCode.TLS,
        ReasonCode.CONNECT_FAILED,
    }
)
"""Reasons of requests that were never put on a connection."""


def end_of(code: ReasonCode) -> End:
    """What a reason says of how a request ended."""
    if code in UNSENT_CODES:
        return End.UNSENT
    if code in UNANSWERED:
        return End.UNANSWERED
    return End.UNKNOWN if code is ReasonCode.WORKER_LOST else End.FAILED


def ends_of(ids: Ids, ended: Mapping[ReasonCode, Ints], lost: tuple[tuple[int, int], ...] = ()) -> Bytes:
    """The end of each id.

    Args:
        ids: all that were due.
        ended: sequence numbers by why they got no right answer; all others were answered.
        lost: the shares (index, total) of workers that died: of every *total*-th request from *index* on.
    """
    ends = np.full(ids.size, End.ANSWERED, np.uint8)
    place = 0
    for span in ids.spans:
        for index, total in lost:
            ends[place + index % total : place + span.size : total] = End.UNKNOWN
        place += span.size
    for code, sequences in ended.items():
        places = ids.indexes(sequences)
        ends[places[places >= 0]] = end_of(code)
    return ends
