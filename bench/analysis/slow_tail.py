"""A tail of slow requests of any length, which neither the machine nor the null target explains.

Requests that are slow by various times make no second mode. A machine that pauses makes such ones, too, but
it makes the generator late as well: the test holds the moments with slow requests against those in which the
generator itself, in the same stage, or the null target's answers were late by as much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.bounds import chance_of_at_least
from bench.analysis.histogram import Histogram
from bench.analysis.second_mode import LEAST_EXCESS_US, LEAST_FACTOR

_LEAST_SHARE = 0.001
_LEAST_SAMPLES = 20
CHANCE = 1e-4
"""Error probability up to which a tail is reported."""
_PLACES = 4
"""A request passes the generator, two proxies and a node: a pause of any of them makes it slow, and the
generator's own lateness shows those of one."""


@dataclass(frozen=True, slots=True)
class Moments:
    """How often something was slow: in how many of all moments of a time."""

    slow: int
    whole: int


@dataclass(frozen=True, slots=True)
class LongTimes:
    """What took long in one stage."""

    longest_us: Mapping[int, int] = field(default_factory=dict)
    """Moments in which anything did; see ``bench.analysis.moments``."""
    moments: int = 0
    """All moments of the stage."""
    usual_us: int = 0
    """What it takes otherwise."""

    def beyond(self, excess_us: float) -> set[int]:
        """The moments in which it took so much longer than usual."""
        least = self.usual_us + excess_us
        return {moment for moment, longest in self.longest_us.items() if longest >= least}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request."""

    times: Histogram
    """Its service times."""
    stages: Sequence[LongTimes]
    """Those that were long, of each stage; kinds that are judged together have the same stages."""


@dataclass(frozen=True, slots=True)
class SlowTail:
    """Requests that are slow by various times."""

    samples: int
    share: float
    """Of all."""
    excess_us: int
    """How much longer than the median of their kind they take at least."""
    path: Moments
    """With slow requests; those that new connections explain are left out."""
    machine: Moments
    """In which the generator, or the null target, was late by as much."""
    chance: float
    """That a path which is as good as the machine lets it be has so many."""


def slow_tail(kinds: Sequence[Kind], machine: Sequence[LongTimes], *, explained: int = 0) -> SlowTail | None:
    """The slow requests of these *kinds*, if they come in more moments than the machine's pauses do.

    The test is the conditional one of two Poisson rates (Przyborowski and Wilenski, Biometrika 31, 1940,
    313), against a path with pauses at each of its places as often as they are seen at the generator.

    Args:
        kinds: of requests, each judged by its own median; together they show what is too rare in each.
        machine: what was long and only the machine's doing.
        explained: moments that something known made slow, such as new connections with their handshakes.
    """
    total = samples = 0
    excess = math.inf
    moments: set[tuple[int, int]] = set()
    for kind in kinds:
        median = kind.times.percentile(50.0)
        if median is None:
            continue
        least = max(median * LEAST_FACTOR, median + LEAST_EXCESS_US)
        found = kind.times.recorded
        total += kind.times.total
        samples += int(found.counts[found.highest >= least].sum())
        excess = min(excess, least - median)
        moments.update(
            (number, each) for number, stage in enumerate(kind.stages) for each in stage.beyond(least)
        )
    if samples < _LEAST_SAMPLES or samples < _LEAST_SHARE * total:
        return None
    path = Moments(max(0, len(moments) - explained), sum(stage.moments for stage in kinds[0].stages))
    alone = Moments(sum(len(one.beyond(excess)) for one in machine), sum(one.moments for one in machine))
    chance = _chance(path, alone)
    return (
        SlowTail(samples, samples / total, round(excess), path, alone, chance) if chance <= CHANCE else None
    )


def _chance(path: Moments, machine: Moments) -> float:
    """Of so many moments of all being the path's, or more, if it had ``_PLACES`` times the machine's rate."""
    if not path.slow or not machine.whole:
        return 1.0
    expected = _PLACES * path.whole
    return chance_of_at_least(path.slow, path.slow + machine.slow, expected / (expected + machine.whole))
