"""The loads behind a cost model: chosen so that requests, handshakes and bytes vary apart from each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

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
    churn: tuple[DesignedLoad, ...]
    """With a new connection for each request, for each kind of handshake; shares of the handshakes' rate."""
    young: tuple[DesignedLoad, ...]
    """With a new one for every fourth request, for each kind; shares of the handshakes' rate, too."""
    seconds: float

    @property
    def windows(self) -> int:
        """How many loads that is."""
        return len(self.kept) + 2 * (len(self.churn) + len(self.young))


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
_CHURN = (DesignedLoad(0.5), DesignedLoad(1.0))
YOUNG_REQUESTS = 4
"""Requests that a connection of the young loads carries.

The first of a connection cost more than later ones: Linux acknowledges each segment at once for the first
sixteen (``TCP_QUICKACK`` in tcp(7)), and pages are touched for the first time. Without such loads a model
from new connections for each request, and for none, predicted a sixth too little between the two.
"""
_YOUNG = (DesignedLoad(1.0),)


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
    "quick": Design(_KEPT, _CHURN, _YOUNG, 2.0),
    "full": Design(
        tuple(_full()),
        (*_CHURN, DesignedLoad(0.75, body_in=4 * _KIB), DesignedLoad(0.25)),
        (*_YOUNG, DesignedLoad(0.5, body_in=4 * _KIB)),
        4.0,
    ),
}
