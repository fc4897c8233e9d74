"""Percentiles that may be given: what a figure means, and when there is none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.analysis.histogram import HIGHEST, Histogram
from bench.errors import MeasurementError
from bench.result import Latency

ENOUGH_BEYOND = 10
"""A percentile with fewer samples beyond it is noise and is not given."""


def merge(blobs: Iterable[str]) -> Histogram:
    """Add histograms up. Exact: counts are integers and buckets are the same.

    Args:
        blobs: HDR V2 histograms in base64, microseconds.

    Raises:
        MeasurementError: a blob is damaged, or holds values above one hour.
    """
    merged = Histogram()
    for number, blob in enumerate(blobs, start=1):
        try:
            merged.merge(Histogram.decode(blob))
        except ValueError as error:
            raise MeasurementError(
                f"histogram {number} cannot be read ({error}).",
                remedy="Its samples are lost: repeat the run.",
            ) from error
    return merged


def percentile(histogram: Histogram, permille: int) -> int | None:
    """The smallest recorded value, in µs, that at least *permille* ‰ of the samples do not exceed.

    None when fewer than ten samples lie beyond it.
    """
    samples = histogram.total
    rank = -(-samples * permille // 1000)
    return histogram.at_rank(rank) if rank and samples - rank >= ENOUGH_BEYOND else None


def summarise(histogram: Histogram) -> Latency:
    """Percentiles, maximum and mean of a histogram in microseconds, with the number of samples."""
    return Latency(
        samples=histogram.total,
        p50=percentile(histogram, 500),
        p90=percentile(histogram, 900),
        p99=percentile(histogram, 990),
        p999=percentile(histogram, 999),
        maximum=histogram.maximum,
        mean=histogram.mean,
    )


def summarise_values(values: Iterable[int]) -> Latency:
    """Percentiles of plain values in whole microseconds (e.g. read from an access log).

    Raises:
        MeasurementError: a value is negative or above one hour.
    """
    micros = np.fromiter(values, dtype=np.int64)
    odd = micros[(micros < 0) | (micros > HIGHEST)]
    if odd.size:
        raise MeasurementError(f"{odd[0]} µs is not a duration between 0 and one hour.")
    histogram = Histogram()
    histogram.record(micros)
    return summarise(histogram)
