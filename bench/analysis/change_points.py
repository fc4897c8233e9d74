"""Where a series of figures, one for each run, changes its level: named where chance does not explain it.

Pettitt's rank statistic (Applied Statistics 28, 1979), standardised by its deviation at each place so that
changes near an end count too; its distribution comes from shuffling the series itself, so that no form of
noise is assumed. Each level that is found is searched in turn (binary segmentation) at a share of the error
probability, which therefore holds for the whole series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

LEVEL = 0.01
"""Error probability over a whole series: so often a series without any change is given one."""
LEAST = 4
"""Runs on either side of a change: fewer do not make a level."""
SHUFFLES = 2_000
"""At least; as many more as an error probability below 1 in 500 takes."""
_AT_A_TIME = 2_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Change:
    """A new level."""

    at: int
    """Index of its first run."""
    before: float
    """Median of the level before."""
    after: float
    """Median of this level."""
    p: float
    """Probability that shuffled runs show as clear a change."""

    @property
    def share(self) -> float | None:
        """Change relative to the level before: 0.05 is 5 % more; None: that level is 0."""
        return self.after / self.before - 1 if self.before else None


def changes_in(
    values: Sequence[float], random: np.random.Generator, *, level: float = LEVEL
) -> tuple[Change, ...]:
    """Find the changes of *values*, in the order in which they were measured.

    Args:
        values: one figure for each run, the oldest first.
        random: what shuffles are drawn from.
        level: error probability over the whole series.
    """
    series = np.asarray(values, dtype=np.float64)
    starts: list[tuple[int, float]] = []
    waiting = [(0, len(series), level)]
    while waiting:
        first, end, share = waiting.pop()
        found = _clearest(series[first:end], random, share)
        if found is None or found[1] > share:
            continue
        at = first + found[0]
        starts.append((at, found[1]))
        # Both halves together may err as often as their whole might have.
        waiting += [(first, at, share / 2), (at, end, share / 2)]
    starts.sort()
    edges = [0, *(at for at, _ in starts), len(series)]
    return tuple(
        Change(
            at=at,
            before=float(np.median(series[edges[number] : at])),
            after=float(np.median(series[at : edges[number + 2]])),
            p=p,
        )
        for number, (at, p) in enumerate(starts)
    )


def least_runs(level: float = LEVEL) -> int:
    """Runs of which a series must consist at least, so that any change in it can reach *level*."""
    runs = 2 * LEAST
    while 2 / _ways(runs) > level:
        runs += 1
    return runs


def _ways(runs: int) -> float:
    """In how many ways *runs* can be cut into halves: one over it is the least p of a clear step."""
    return math.comb(runs, runs // 2)


def _clearest(series: Floats, random: np.random.Generator, level: float) -> tuple[int, float] | None:
    """The place where the series most likely changes, and its p; None: it is too short."""
    runs = len(series)
    if runs < 2 * LEAST:
        return None
    ranks = _ranks(series)
    if np.ptp(ranks) == 0:
        return None
    statistic = _statistic(ranks[np.newaxis, :])[0]
    at = int(np.argmax(statistic))
    rounds = math.ceil(max(SHUFFLES, 4 / level) / _AT_A_TIME)
    reached = 0
    for _ in range(rounds):
        shuffled = random.permuted(np.tile(ranks, (_AT_A_TIME, 1)), axis=1)
        reached += int((_statistic(shuffled).max(axis=1) >= statistic[at] - 1e-9).sum())
    # The series itself is one of the orders that chance could have given.
    return at + LEAST, (reached + 1) / (rounds * _AT_A_TIME + 1)


def _statistic(ranks: Floats) -> Floats:
    """For each row and each place of a change: distance of the rank sum from its mean, in deviations."""
    runs = ranks.shape[1]
    places = np.arange(LEAST, runs - LEAST + 1)
    sums = np.cumsum(ranks, axis=1)[:, places - 1]
    middle = places * (runs + 1) / 2
    spread = np.sqrt(places * (runs - places) * (runs + 1) / 12)
    distance: Floats = np.abs(sums - middle) / spread
    return distance


def _ranks(series: Floats) -> Floats:
    """Ranks from 1; equal values share their mean rank."""
    ranks: Floats = rankdata(series)
    return ranks
