"""Percentile tables in the ``.hgrm`` form that HdrHistogram's plotters read."""

from __future__ import annotations

import numpy as np

from bench.analysis.histogram import BUCKETS, SUB_BUCKETS, Histogram

STEP = 0.9
"""Each line comes a tenth nearer to 100 %: five lines for each halving of the distance."""


def percentile_table(histogram: Histogram) -> str:
    """Write the table, value by value as hdrh itself does; in microseconds.

    hdrh walks through all 25,000 buckets in Python, 0.1 s of CPU for a table; this needs a millisecond.
    """
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    buckets = histogram.recorded
    if buckets.counts.size == 0:
        return "\n".join([*lines, *_footer(histogram, 0.0, 0.0)]) + "\n"
    below = np.cumsum(buckets.counts)
    samples = int(below[-1])
    reached = 100.0 * below / samples
    level = 0.0
    while True:
        position = int(np.searchsorted(reached, level))
        lines.append(
            f"{buckets.highest[position]:12.3f} {level / 100:2.12f} {below[position]:10d}"
            f" {1 / (1 - level / 100):14.2f}"
        )
        if below[position] == samples:
            break
        level += (100.0 - level) * (1 - STEP)
    lines.append(f"{buckets.highest[-1]:12.3f} {1:2.12f} {samples:10d}")
    return "\n".join([*lines, *_footer(histogram, *buckets.mean_and_deviation)]) + "\n"


def _footer(histogram: Histogram, mean: float, deviation: float) -> list[str]:
    return [
        f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]",
        (f"#[Max     = {histogram.maximum or 0:12.3f}, TotalCount     = {histogram.total:12.3f}]"),
        f"#[Buckets = {BUCKETS:12d}, SubBuckets     = {SUB_BUCKETS:12d}]",
    ]
