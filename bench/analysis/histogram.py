"""The one layout of all histograms: HDR, whole microseconds, three significant digits, 1 µs to one hour.

Values below 2,048 µs have a bucket each; above, each power of two is cut into 1,024 buckets. A value is
reported as the highest one of its bucket: never below the recorded one, and less than 0.1 % above it.
numpy computes the buckets of many samples at a time; blobs are the HDR library's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

LOWEST: Final = 1
HIGHEST: Final = 3_600_000_000
"""One hour in microseconds; what is longer is recorded as this."""
DIGITS: Final = 3
BUCKETS: Final = 22
"""Powers of two that the layout distinguishes."""
SUB_BUCKETS: Final = 2_048
LENGTH: Final = (BUCKETS + 1) * SUB_BUCKETS // 2
"""Counters of the layout."""

_SPAN: Final = 1 << 18
"""Numbers that lie closer together are counted in a table, others sorted."""

Ints = npt.NDArray[np.int64]


def bucket_of(micros: Ints) -> Ints:
    """Index of the bucket of each value in microseconds, shape kept."""
    # Mostly in place: this is done for each answer, and for five times of it.
    value = np.minimum(np.maximum(micros, 0), HIGHEST)
    # The exponent of a double is the bit length less one, biased by 1,023; every value here is exact.
    magnitude: Ints = np.maximum((value.astype(np.float64).view(np.int64) >> 52) - 1033, 0)
    value >>= magnitude
    magnitude <<= 10
    magnitude += value
    return magnitude


def highest_of(bucket: Ints) -> Ints:
    """Highest value in microseconds that falls into each bucket."""
    magnitude = _magnitude(bucket)
    highest: Ints = ((bucket - (magnitude << 10) + 1) << magnitude) - 1
    return highest


def lowest_of(bucket: Ints) -> Ints:
    """Lowest value in microseconds that falls into each bucket."""
    magnitude = _magnitude(bucket)
    lowest: Ints = (bucket - (magnitude << 10)) << magnitude
    return lowest


def _magnitude(bucket: Ints) -> Ints:
    magnitude: Ints = np.maximum((bucket >> 10) - 1, 0)
    return magnitude


def count_distinct(numbers: Ints, weights: Ints | None = None) -> tuple[Ints, Ints]:
    """The distinct *numbers*, ascending, and how often each occurs, or the sum of its *weights*.

    ``np.unique`` does the same, but imports numpy's masked arrays when it is first called: 40 ms that would
    fall into a measured stage.
    """
    if not numbers.size:
        return numbers, numbers
    lowest = int(numbers.min())
    if int(numbers.max()) - lowest <= _SPAN:
        table = np.bincount(numbers - lowest, weights)
        filled = np.flatnonzero(np.bincount(numbers - lowest) if weights is not None else table)
        return filled + lowest, table[filled].astype(np.int64)
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    one_each = np.ones(numbers.size, dtype=np.int64) if weights is None else weights[order]
    return ordered[first], np.add.reduceat(one_each, first)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The filled buckets of a histogram in ascending order; three arrays of one length."""

    lowest: Ints
    """Lowest value of each bucket, µs."""
    highest: Ints
    """Highest value of each bucket, µs."""
    counts: Ints

    @property
    def mean_and_deviation(self) -> tuple[float, float]:
        """Mean and standard deviation in microseconds; 0 without samples.

        As hdrh computes them: each sample counts as the upper middle of its bucket.
        """
        samples = int(self.counts.sum())
        if not samples:
            return 0.0, 0.0
        middle = self.lowest + (self.highest - self.lowest + 1) // 2
        mean = float((middle * self.counts).sum() / samples)
        return mean, math.sqrt(float((((middle - mean) ** 2) * self.counts).sum() / samples))


class Histogram:
    """Counts for each bucket that can be added to, merged without loss, and asked for percentiles."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Ints = np.zeros(LENGTH, dtype=np.int64)

    def add(self, buckets: Ints, counts: Ints) -> None:
        """Add *counts* to distinct *buckets*."""
        self.counts[buckets] += counts

    def record(self, micros: Ints) -> None:
        """Add single values in microseconds."""
        if micros.size:
            self.add(*count_distinct(bucket_of(micros)))

    def merge(self, other: Histogram) -> None:
        """Add all of *other*."""
        self.counts += other.counts

    @property
    def total(self) -> int:
        """Number of samples."""
        return int(self.counts.sum())

    @property
    def recorded(self) -> Recorded:
        """What is in it."""
        filled = np.flatnonzero(self.counts)
        return Recorded(lowest_of(filled), highest_of(filled), self.counts[filled])

    def at_rank(self, rank: int) -> int:
        """The value (µs) of the sample number *rank*, counted from 1 in ascending order.

        hdrh's own ``get_value_at_percentile`` rounds a percentile's rank to the nearest sample, so it can
        name a value that too few samples stay below: whoever asks computes the rank.

        Raises:
            ValueError: there is no such sample.
        """
        running = np.cumsum(self.counts)
        if not 1 <= rank <= running[-1]:
            raise ValueError(f"there is no sample {rank} of {running[-1]}")
        return int(highest_of(np.asarray(np.searchsorted(running, rank), dtype=np.int64)))

    def percentile(self, percent: float) -> int | None:
        """Smallest recorded value (µs) that *percent* of the samples do not exceed; None if empty."""
        samples = self.total
        return self.at_rank(max(1, math.ceil(samples * percent / 100 - 1e-9))) if samples else None

    @property
    def maximum(self) -> int | None:
        """The largest recorded value, µs; None without samples."""
        samples = self.total
        return self.at_rank(samples) if samples else None

    @property
    def mean(self) -> float | None:
        """Mean in µs, each sample taken at the middle of its bucket; None without samples."""
        found = self.recorded
        if not found.counts.size:
            return None
        return float(((found.lowest + found.highest) / 2 * found.counts).sum() / found.counts.sum())

    def encode(self) -> str:
        """Write as an HDR V2 blob in base64, readable by every HDR tool."""
        histogram = HdrHistogram(LOWEST, HIGHEST, DIGITS)
        used = np.flatnonzero(self.counts)
        if used.size:
            # Its buckets are ours: all counts at once, where the library takes a hundred times as long.
            np.ctypeslib.as_array(histogram.counts)[:] = self.counts
            histogram.set_internal_tacking_values(int(used[0]), int(used[-1]), self.total)
        blob: bytes = histogram.encode()
        return blob.decode("ascii")

    @classmethod
    def decode(cls, blob: str) -> Histogram:
        """Read an HDR V2 blob in base64 that this class or any HDR tool wrote with the same digits.

        Raises:
            ValueError: the blob is damaged, or was recorded with another layout or values above one hour.
        """
        try:
            theirs = HdrHistogram.decode(blob)
        # The decoder raises struct, zlib, binascii and its own errors, some of them bare Exceptions.
        except Exception as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if theirs.sub_bucket_count != SUB_BUCKETS or theirs.unit_magnitude != 0:
            raise ValueError("it was recorded with other settings than 1 µs and 3 digits")
        histogram = cls()
        # A decoded histogram may carry fewer counters than its range has buckets: the rest is zero.
        stored = np.asarray(theirs.counts, dtype=np.int64)
        known = min(stored.size, LENGTH)
        histogram.counts[:known] = stored[:known]
        if histogram.total != theirs.get_total_count():
            raise ValueError(
                f"{theirs.get_total_count() - histogram.total} of its samples are beyond one hour"
            )
        return histogram
