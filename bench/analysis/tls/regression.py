"""CPU of one handshake: regression of CPU time on counts of requests, full and resumed handshakes.

Three windows of the same moments belong together: requests on kept connections, with full handshakes and with
resumed ones, at the same rate on stacks that differ in nothing else. In each such round

    CPU seconds = request · requests + full · full handshakes + resumed · resumed handshakes

has one solution. What the machine does in the moments of a round is in all its windows, so that it does not
show as a difference of their kinds. The figure is the mean over the rounds, its interval Student's: what
handshakes cost at the speeds that the machine had meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.analysis.tls.estimates import mean_interval
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


def handshake_costs(rounds: Sequence[Sequence[HandshakeWindow]]) -> dict[HandshakeKind, Estimate]:
    """Cost of each kind of handshake, microseconds of CPU.

    Rounds whose windows do not distinguish the kinds are left out; empty with fewer than three others. What
    occurred in no window has no cost.
    """
    used = [kind for kind in HANDSHAKE_KINDS if any(_count(each, kind) for some in rounds for each in some)]
    solved = [found for some in rounds if (found := _solve(some, used)) is not None]
    costs = {kind: mean_interval([each[kind] for each in solved]) for kind in used}
    return {kind: found for kind, found in costs.items() if found is not None}


def _count(window: HandshakeWindow, kind: HandshakeKind) -> int:
    return window.full if kind == "full" else window.resumed


def _solve(
    windows: Sequence[HandshakeWindow], kinds: Sequence[HandshakeKind]
) -> dict[HandshakeKind, float] | None:
    """Microseconds of CPU for each kind; None: the windows of this round do not say."""
    rows = np.array([[each.requests, *(_count(each, kind) for kind in kinds)] for each in windows], float)
    cpu_us = np.array([each.cpu_s * 1e6 for each in windows])
    if len(windows) < rows.shape[1] or not rows.any(axis=0).all() or not np.all(cpu_us > 0):
        return None
    scale = np.linalg.norm(rows, axis=0)
    if np.linalg.cond(rows / scale) > _WORST_CONDITION:
        return None
    best, *_ = np.linalg.lstsq(rows / scale, cpu_us, rcond=None)
    return {kind: float(best[number] / scale[number]) for number, kind in enumerate(kinds, 1)}
