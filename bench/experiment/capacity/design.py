"""The loads behind a cost model: chosen so that requests, handshakes and bytes vary apart from each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bench.preparation import Variation
from bench.result import HANDSHAKE_KINDS, HandshakeKind

_KIB = 1 << 10


@dataclass(frozen=True, slots=True)
class DesignedLoad:
    """One window."""

    share: float
    """Of the rate that the stack carries."""
    body_in: int = 0
    """Bytes of each request's body."""
    body_out: int = 0
    """Bytes of each answer's body; 0: the node's own page."""


@dataclass(frozen=True, slots=True)
class Design:
    """All windows, each as long as the others."""

    kept: tuple[DesignedLoad, ...]
    """On connections that are kept."""
    churn: Mapping[int, tuple[DesignedLoad, ...]]
    """By requests of a connection, for each kind of handshake; shares of the handshakes' rate."""
    seconds: float

    @property
    def windows(self) -> int:
        """How many loads that is."""
        return len(self.kept) + len(HANDSHAKE_KINDS) * sum(map(len, self.churn.values()))

    @property
    def stacks(self) -> int:
        """How many have connections that end."""
        return len(HANDSHAKE_KINDS) * len(self.churn)


_KEPT = (
    DesignedLoad(0.15),
    DesignedLoad(0.4, body_in=16 * _KIB),
    DesignedLoad(0.75),
    DesignedLoad(0.3, body_out=16 * _KIB),
    DesignedLoad(0.15, body_in=16 * _KIB),
    DesignedLoad(0.5),
    DesignedLoad(0.15, body_out=32 * _KIB),
    DesignedLoad(0.3, body_in=4 * _KIB, body_out=4 * _KIB),
)
_CHURN = (DesignedLoad(0.3), DesignedLoad(1.0))
"""Far apart: where there are few handshakes each costs more, and the model is asked for what lies between."""
YOUNG = 4
"""Requests of a connection that is neither kept nor of a single one: from windows of these two alone, a model
predicted up to a sixth too little for what lies between."""


def _full() -> Iterator[DesignedLoad]:
    """The quick design there and back, so that a drift falls on all of it, and further sizes between."""
    yield from _KEPT
    yield DesignedLoad(0.6, body_in=_KIB)
    yield DesignedLoad(0.2, body_in=64 * _KIB)
    yield DesignedLoad(0.6, body_out=_KIB)
    yield DesignedLoad(0.2, body_out=64 * _KIB)
    for load in reversed(_KEPT):
        yield replace(load, share=load.share * 0.8)


DESIGNS: dict[Literal["quick", "full"], Design] = {
    "quick": Design(_KEPT, {1: _CHURN, YOUNG: _CHURN}, 1.8),
    "full": Design(
        tuple(_full()),
        {
            1: (*_CHURN, DesignedLoad(0.75, body_in=4 * _KIB), DesignedLoad(0.6)),
            YOUNG: (*_CHURN, DesignedLoad(0.5, body_in=4 * _KIB)),
        },
        4.0,
    ),
}


def churned(kind: HandshakeKind, requests: int) -> Variation:
    """A stack whose gateway makes handshakes of *kind*, one for every so many *requests*."""
    return Variation(max_requests_per_connection=requests, max_session_keys=0 if kind == "full" else None)
