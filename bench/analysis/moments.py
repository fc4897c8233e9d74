"""Moments: short slices of a stage, of which the longest times are kept.

A machine that stands still makes many requests late at once, a path that is slow for some does it again and
again. How many requests were slow does not distinguish them; in how many moments there were any does.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from bench.analysis.histogram import LENGTH, Ints, bucket_of, highest_of

MOMENT_S: Final = 0.05
"""So short that one pause of the machine is one or two of them."""
LONG_US: Final = 10_000
"""What takes less is not kept: a busy machine's scheduler does that all the time."""


def longest_by_moment(since_start_s: Any, micros: Ints) -> Ints:
    """For each moment that had a time of ``LONG_US`` or more: its number and its longest time, in one number.

    Args:
        since_start_s: when each began, seconds from the start of the stage.
        micros: how long each took, µs.
    """
    is_long = micros >= LONG_US
    if not is_long.any():
        return np.zeros(0, dtype=np.int64)
    moments = np.maximum(np.floor(np.asarray(since_start_s)[is_long] / MOMENT_S), 0).astype(np.int64)
    first = int(moments.min())
    longest = np.zeros(int(moments.max()) - first + 1, dtype=np.int64)
    np.maximum.at(longest, moments - first, bucket_of(micros[is_long]))
    filled = np.flatnonzero(longest)
    joined: Ints = (filled + first) * LENGTH + longest[filled]
    return joined


def split_moments(joined: Ints) -> dict[int, int]:
    """Number of each moment -> its longest time, µs."""
    moments, buckets = np.divmod(joined, LENGTH)
    return dict(zip(moments.tolist(), highest_of(buckets).tolist(), strict=True))


def keep_longest(known: dict[int, int], more: dict[int, int]) -> None:
    """Add the moments of another part of the same stage."""
    for moment, micros in more.items():
        if micros > known.get(moment, 0):
            known[moment] = micros
