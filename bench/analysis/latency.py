"""Percentiles from HDR histograms: what a figure means, and when there is none.

Histograms hold whole microseconds, three significant digits from 1 µs to one hour: a value read back is the
highest of its bucket, never below the recorded one and at most 0.1 % above it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from bench.errors import MeasurementError
from bench.result import Latency

LOWEST_US = 1
HIGHEST_US = 3_600_000_000
DIGITS = 3
ENOUGH_BEYOND = 10
"""A percentile with fewer samples beyond it is noise and is not given."""


def new_histogram() -> HdrHistogram:
    """An empty histogram of microseconds, 1 µs to one hour, three significant digits."""
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


def merge(blobs: Iterable[str]) -> HdrHistogram:
    """Add histograms up. Exact: counts are integers and buckets are the same.

    Args:
        blobs: HDR V2 histograms in base64, microseconds.

    Raises:
        MeasurementError: a blob is damaged, or holds values above one hour.
    """
    merged = new_histogram()
    expected = 0
    for number, blob in enumerate(blobs, start=1):
        try:
            part = HdrHistogram.decode(blob)
            expected += part.get_total_count()
            merged.add(part)
        # The decoder raises struct, zlib, binascii and its own errors, some of them bare Exceptions.
        except Exception as error:
            raise MeasurementError(
                f"histogram {number} cannot be read ({type(error).__name__}: {error}).",
                remedy="Its samples are lost: repeat the run.",
            ) from error
    if merged.get_total_count() != expected:
        raise MeasurementError(
            f"merging histograms kept {merged.get_total_count()} of {expected} samples.",
            remedy="The parts were recorded with other settings than 1 µs to 1 h with 3 digits.",
        )
    return merged


@dataclass(frozen=True, slots=True)
class Recorded:
    """The filled buckets of a histogram in ascending order; three arrays of one length."""

    lowest: NDArray[np.int64]
    """Lowest value of each bucket, µs."""
    highest: NDArray[np.int64]
    """Highest value of each bucket, µs."""
    counts: NDArray[np.int64]


def recorded(histogram: HdrHistogram) -> Recorded:
    """Read the filled buckets; the same as hdrh's own iterator, forty times faster."""
    # A decoded histogram may carry fewer counters than its range has buckets: the rest is zero.
    counts = np.asarray(histogram.counts, dtype=np.int64)
    index = np.flatnonzero(counts)
    half = histogram.sub_bucket_half_count_magnitude
    bucket = (index >> half) - 1
    sub = (index & ((1 << half) - 1)) + (1 << half)
    sub = np.where(bucket < 0, sub - (1 << half), sub)
    shift = np.maximum(bucket, 0) + histogram.unit_magnitude
    lowest = sub << shift
    highest = lowest + (np.int64(1) << shift) - 1
    return Recorded(lowest=lowest, highest=highest, counts=counts[index])


def percentile(histogram: HdrHistogram, permille: int) -> int | None:
    """The smallest recorded value, in µs, that at least *permille* ‰ of the samples do not exceed.

    None when fewer than ten samples lie beyond it. hdrh's own ``get_value_at_percentile`` rounds the rank
    to the nearest sample, so it can name a value that too few samples stay below.
    """
    return _percentile(recorded(histogram), permille)


def _percentile(buckets: Recorded, permille: int) -> int | None:
    samples = int(buckets.counts.sum())
    rank = -(-samples * permille // 1000)
    if samples - rank < ENOUGH_BEYOND:
        return None
    position = int(np.searchsorted(np.cumsum(buckets.counts), rank))
    return int(buckets.highest[position])


def summarise(histogram: HdrHistogram) -> Latency:
    """Percentiles, maximum and mean of a histogram in microseconds, with the number of samples."""
    buckets = recorded(histogram)
    samples = int(buckets.counts.sum())
    if samples == 0:
        return Latency(samples=0)
    middle = (buckets.lowest + buckets.highest) / 2
    return Latency(
        samples=samples,
        p50=_percentile(buckets, 500),
        p90=_percentile(buckets, 900),
        p99=_percentile(buckets, 990),
        p999=_percentile(buckets, 999),
        maximum=int(buckets.highest[-1]),
        mean=float((middle * buckets.counts).sum() / samples),
    )


def summarise_values(values: Iterable[int]) -> Latency:
    """Percentiles of plain values in whole microseconds (e.g. read from an access log).

    Raises:
        MeasurementError: a value is negative or above one hour.
    """
    histogram = new_histogram()
    for value in values:
        if not histogram.record_value(value):
            raise MeasurementError(f"{value} µs is not a duration between 0 and one hour.")
    return summarise(histogram)
