"""CPU of one handshake: regression of CPU time on counts of requests, full and resumed handshakes.

Windows of the same moments belong together: requests on kept connections, with full handshakes and with
resumed ones, at the same rate on stacks that differ in nothing else. In each such round

    CPU seconds = request · requests + full · full handshakes + resumed · resumed handshakes

has one solution. Where full handshakes are too dear for the rate of the resumed ones, a round has two loads,
each with windows of kept connections and a cost of requests of its own; a later round may have one of the
two, for the kind that is not known well enough yet. The figure is the mean over the rounds.

Processors that others share change their speed from second to second, and all costs of a round with it. How
fast the machine was, each round says itself: what the sidecars, whose work is the same in every window, used
for a request. The interval is that of the mean at the mean pace of the rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.analysis.tls.estimates import mean_at_pace
from bench.result import HANDSHAKE_KINDS, Estimate, HandshakeKind

_WORST_CONDITION: Final = 1e6
"""Of a round's equations, each column scaled to one: beyond it, its windows do not tell the kinds apart."""


@dataclass(frozen=True, slots=True)
class HandshakeWindow:
    """What happened in one window, and what one part used."""

    requests: int
    full: int
    """Full handshakes."""
    resumed: int
    cpu_s: float
    load: int = 0
    """Which of the loads of its round it belongs to: at a lower rate, a request costs more."""


@dataclass(frozen=True, slots=True)
class Round:
    """Windows of the same moments."""

    windows: tuple[HandshakeWindow, ...]
    paces_us: Mapping[HandshakeKind, tuple[float, ...]] = field(default_factory=dict)
    """CPU of the sidecars for a request, microseconds: in the windows on which the cost of a kind rests,
    those of kept connections and its own."""


def handshake_costs(rounds: Sequence[Round]) -> dict[HandshakeKind, Estimate]:
    """Cost of each kind of handshake, microseconds of CPU.

    Rounds whose windows do not distinguish the kinds are left out; a kind needs three others. What occurred
    in no window has no cost.
    """
    solved = [(_solve(some.windows), some.paces_us) for some in rounds]
    costs: dict[HandshakeKind, Estimate] = {}
    for kind in HANDSHAKE_KINDS:
        of_kind = [(found[kind], paces.get(kind, ())) for found, paces in solved if kind in found]
        # Paces that one of the rounds lacks explain nothing.
        paces = list(zip(*(each for _, each in of_kind), strict=False))
        cost = mean_at_pace([each for each, _ in of_kind], paces)
        if cost is not None:
            costs[kind] = cost
    return costs


def _count(window: HandshakeWindow, kind: HandshakeKind) -> int:
    return window.full if kind == "full" else window.resumed


def _solve(windows: Sequence[HandshakeWindow]) -> dict[HandshakeKind, float]:
    """Microseconds of CPU for each kind in the windows of a round; empty: they do not say."""
    loads = sorted({each.load for each in windows})
    kinds = [kind for kind in HANDSHAKE_KINDS if any(_count(each, kind) for each in windows)]
    rows = np.array(
        [
            [
                *(each.requests if each.load == load else 0 for load in loads),
                *(_count(each, kind) for kind in kinds),
            ]
            for each in windows
        ],
        float,
    )
    cpu_us = np.array([each.cpu_s * 1e6 for each in windows])
    if len(windows) < rows.shape[1] or not rows.any(axis=0).all() or not np.all(cpu_us > 0):
        return {}
    scale = np.linalg.norm(rows, axis=0)
    if np.linalg.cond(rows / scale) > _WORST_CONDITION:
        return {}
    best, *_ = np.linalg.lstsq(rows / scale, cpu_us, rcond=None)
    return {kind: float(best[number] / scale[number]) for number, kind in enumerate(kinds, len(loads))}
