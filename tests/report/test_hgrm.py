"""Our percentile table is the one that the HdrHistogram library writes."""

import io

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.report.hgrm import percentile_table
from tests.support import histograms


def theirs(histogram):
    out = io.BytesIO()
    histogram.output_percentile_distribution(out, 1.0)
    return out.getvalue().decode()


def numbers(table):
    return [float(part) for line in table.splitlines()[2:-3] for part in line.split()]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 3_000_000), max_size=300))
def test_the_table_is_the_librarys_own(values):
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for value in values:
        histogram.record_value(value)

    ours, expected = percentile_table(histograms.histogram(*values)), theirs(histogram)

    # The level is a sum of many tenths: its last decimals may differ, a shifted line may not.
    assert ours.splitlines()[:2] == expected.splitlines()[:2]
    assert ours.splitlines()[-2:] == expected.splitlines()[-2:]
    assert numbers(ours) == pytest.approx(numbers(expected), rel=1e-6)
