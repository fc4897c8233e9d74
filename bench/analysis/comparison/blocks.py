"""Paired blocks: what two variants did within minutes of each other, and what follows from all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Kind = Literal["differs", "equivalent", "not resolved"]

ENOUGH_BLOCKS = 6
"""With n blocks the smallest two-sided p of a sign-flip test is 2/2^n: below six, no outcome reaches 5 %."""


class Why(StrEnum):
    """What a verdict rests on, or what it lacks."""

    RESOLVED = "resolved"
    NO_BLOCKS = "no complete block"
    FEW_BLOCKS = "too few blocks"
    NOT_POSITIVE = "values of zero or below have no ratio"
    ONE_PROCESS = "one process of each variant, read again in each block"
    NOISE = "the blocks vary too much"
    WITHIN_FLOOR = "the baseline differs from itself by as much"


@dataclass(frozen=True, slots=True)
class PairedBlocks:
    """One metric over interleaved blocks. A block is one observation; requests inside it are none."""

    metric: str
    baseline: Sequence[float]
    candidate: Sequence[float]
    """In block order; what has no partner is left out."""
    again: Sequence[tuple[float, float]] = ()
    """A/A blocks: the baseline twice. They show what no difference looks like on this machine."""
    is_repeated: bool = True
    """False: the same process was read in each block, so that more blocks prove nothing more."""

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """Baseline and candidate of each whole block."""
        return list(zip(self.baseline, self.candidate, strict=False))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the blocks say of one metric. Shares are relative to the baseline: 0.05 is 5 % more."""

    metric: str
    kind: Kind
    why: Why
    blocks: int
    shift: float | None
    """Hodges-Lehmann estimate of the candidate's change."""
    low: float | None
    high: float | None
    """Interval of 95 % for the change, by bootstrap over blocks."""
    p: float | None
    """Two-sided, by flipping signs of blocks."""
    adjusted_p: float | None
    """The same after Holm, over all metrics of the family."""
    margin: float
    """Within it, two variants count as equal."""
    is_equivalent: bool
    """The change lies within the margin (two one-sided tests at 5 %), be it resolved or not."""
    floor: float | None
    """By how much the baseline may differ from itself, from A/A blocks; None: there are none."""
    resolvable: float | None
    """Smallest change that this many blocks find in 8 of 10 runs."""
    more_blocks: int | None
    """How many more blocks would probably settle it; None: it is settled, or cannot be known."""


def log_ratios(pairs: Sequence[tuple[float, float]]) -> list[float] | None:
    """Logarithm of candidate by baseline for each block; None where a value is not above 0."""
    if any(not (math.isfinite(a) and math.isfinite(b) and a > 0 and b > 0) for a, b in pairs):
        return None
    return [math.log(b / a) for a, b in pairs]
