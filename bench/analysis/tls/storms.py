"""All connections new at once: how long the wave lasts, and how high it is, from one access log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.bounds import chance_of_at_least

_TENTH_US = 100_000
_LIMIT = 1.5
"""p99 is back when it is at most half as long again as before."""
_ABOVE = 0.01
"""Requests beyond the limit where p99 just keeps it."""
_CHANCE = 0.002
"""That a tenth in which p99 keeps it is taken for a disturbed one: of 20 requests, three are slow."""
_FEWEST = 5
"""Requests in a tenth of a second that its p99 says anything with."""
_CALM_TENTHS = 10
"""p99 is back when it stays so for a second: what a shared machine does later is no part of the wave."""


@dataclass(frozen=True, slots=True)
class Served:
    """One request as the proxy in front saw it; microseconds since the epoch, and its length."""

    start_us: int
    duration_us: int
    good: bool


@dataclass(frozen=True, slots=True)
class Wave:
    """What an event did to the requests around it."""

    requests: int
    failed: int
    p99_before_us: int | None
    p99_worst_us: int | None
    """Of its worst tenth of a second."""
    recovered_s: float | None
    """None: p99 did not stay back for a second."""
    deepest_queue: int
    """After the event."""


def read_wave(served: Sequence[Served], event_us: int, settled_us: int | None = None) -> Wave:
    """Follow p99 by tenths of a second of the start, and the requests that are under way at once.

    A tenth is disturbed where a request failed, or where more requests exceeded one and a half times the p99
    of the whole time before the event than one in a hundred explains (binomial). Recovery is the end of the
    last disturbed tenth before the first second without one; that second follows the event's own end.

    Args:
        served: requests before and after the event, in any order.
        event_us: when it began, microseconds since the epoch.
        settled_us: when it was made in full, as of a rotation of one node after the other; None: at once.
    """
    if not served:
        return Wave(0, 0, None, None, None, 0)
    starts = np.array([each.start_us for each in served], dtype=np.int64)
    lengths = np.array([each.duration_us for each in served], dtype=np.int64)
    good = np.array([each.good for each in served])
    before = lengths[starts < event_us]
    calm = float(np.percentile(before, 99)) if len(before) >= _FEWEST else None
    tenths = (starts - event_us) // _TENTH_US
    p99, disturbed = _by_tenth(tenths, lengths, good, calm)
    settled = ((settled_us or event_us) - event_us) // _TENTH_US
    back, known_at = _back(disturbed, settled)
    worst = max((value for number, value in p99.items() if number < known_at), default=None)
    later = starts + lengths >= event_us
    return Wave(
        requests=len(served),
        failed=int((~good).sum()),
        p99_before_us=round(calm) if calm is not None else None,
        p99_worst_us=round(worst) if worst is not None else None,
        recovered_s=back * _TENTH_US / 1e6
        if calm is not None and int(tenths.max()) + 1 >= known_at
        else None,
        deepest_queue=_deepest(starts[later], lengths[later]),
    )


def _by_tenth(
    tenths: np.ndarray, lengths: np.ndarray, good: np.ndarray, calm: float | None
) -> tuple[dict[int, float], list[int]]:
    """p99 of each tenth after the event that has enough requests, and which of them are disturbed."""
    p99: dict[int, float] = {}
    disturbed: list[int] = []
    for number in sorted(set(tenths[tenths >= 0].tolist())):
        inside = tenths == number
        all_good = bool(good[inside].all())
        # A stretch without any request started is itself part of the wave: its neighbours show it.
        if inside.sum() < _FEWEST and all_good:
            continue
        p99[number] = float(np.percentile(lengths[inside], 99))
        if not all_good or (calm is not None and _exceeds(lengths[inside], _LIMIT * calm)):
            disturbed.append(number)
    return p99, disturbed


def _exceeds(lengths: np.ndarray, limit: float) -> bool:
    """Whether more of them exceed *limit* than where p99 keeps it."""
    return chance_of_at_least(int((lengths > limit).sum()), len(lengths), _ABOVE) < _CHANCE


def _back(disturbed: Sequence[int], settled: int) -> tuple[int, int]:
    """The tenth from which on p99 was back, and the one before which it must not be disturbed again."""
    back = 0
    for number in disturbed:
        if number >= max(back, settled) + _CALM_TENTHS:
            break
        back = number + 1
    return back, max(back, settled) + _CALM_TENTHS


def _deepest(starts: np.ndarray, lengths: np.ndarray) -> int:
    """The most requests that were under way at one moment."""
    moments = np.concatenate([starts, starts + np.maximum(lengths, 1)])
    steps = np.concatenate([np.ones(len(starts), dtype=np.int64), -np.ones(len(starts), dtype=np.int64)])
    # At one moment those that end go first.
    order = np.lexsort((steps, moments))
    return int(np.cumsum(steps[order]).max())
