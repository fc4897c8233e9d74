"""All connections new at once: how long the wave lasts, and how high it is, from one access log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BIN_US = 100_000
_CALM = 1.5
"""p99 is back when it is at most half as long again as before, and stays so."""
_FEWEST = 5
"""Requests in a tenth of a second that its p99 says anything with."""


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
    recovered_s: float | None
    """None: p99 was not back at the end."""
    deepest_queue: int


def read_wave(served: Sequence[Served], event_us: int) -> Wave:
    """Follow p99 by tenths of a second of the start, and the requests that are under way at once.

    A tenth is disturbed where its p99 exceeds one and a half times that of the whole time before the event,
    or a request failed. Recovery is the end of the last disturbed one.
    """
    if not served:
        return Wave(0, 0, None, None, None, 0)
    starts = np.array([each.start_us for each in served], dtype=np.int64)
    lengths = np.array([each.duration_us for each in served], dtype=np.int64)
    good = np.array([each.good for each in served])
    before = lengths[starts < event_us]
    calm = float(np.percentile(before, 99)) if len(before) >= _FEWEST else None
    bins = (starts - event_us) // _BIN_US
    worst: float | None = None
    last_bad: int | None = None
    for number in sorted(set(bins[bins >= 0].tolist())):
        inside = bins == number
        # A stretch without any request started is itself part of the wave: its neighbours show it.
        p99 = float(np.percentile(lengths[inside], 99))
        if inside.sum() >= _FEWEST or not good[inside].all():
            worst = p99 if worst is None else max(worst, p99)
            if not good[inside].all() or (calm is not None and p99 > _CALM * calm):
                last_bad = int(number)
    recovered: float | None = None
    if calm is not None:
        final = int(bins.max())
        if last_bad is None:
            recovered = 0.0
        elif last_bad < final - 1:
            recovered = (last_bad + 1) * _BIN_US / 1e6
    return Wave(
        requests=len(served),
        failed=int((~good).sum()),
        p99_before_us=round(calm) if calm is not None else None,
        p99_worst_us=round(worst) if worst is not None else None,
        recovered_s=recovered,
        deepest_queue=_deepest(starts, lengths),
    )


def _deepest(starts: np.ndarray, lengths: np.ndarray) -> int:
    """The most requests that were under way at one moment."""
    moments = np.concatenate([starts, starts + np.maximum(lengths, 1)])
    steps = np.concatenate([np.ones(len(starts), dtype=np.int64), -np.ones(len(starts), dtype=np.int64)])
    # At one moment those that end go first.
    order = np.lexsort((steps, moments))
    return int(np.cumsum(steps[order]).max())
