"""Percentiles are what their definition says, to 0.1 %."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.histogram import HIGHEST, Histogram
from bench.analysis.latency import merge, percentile, summarise, summarise_values
from bench.errors import MeasurementError
from tests.support import histograms

durations = st.one_of(st.integers(0, 5_000), st.integers(0, 2_000_000), st.integers(0, HIGHEST))


def blob(values) -> str:
    return histograms.blob(*values)


def by_definition(values, permille):
    """The smallest sample that at least q ‰ of the samples do not exceed, from the raw samples."""
    ordered = sorted(values)
    for position, value in enumerate(ordered, start=1):
        if position * 1000 >= permille * len(ordered):
            return value if len(ordered) - position >= 10 else None
    return None


@settings(max_examples=60, deadline=None)
@given(st.lists(durations, max_size=200))
def test_a_blob_is_byte_for_byte_that_of_the_library(values):
    histogram, theirs = Histogram(), HdrHistogram(1, HIGHEST, 3)
    histogram.record(np.array(values, dtype=np.int64))
    for value in histogram.recorded.highest.repeat(histogram.recorded.counts).tolist():
        theirs.record_value(min(value, HIGHEST))

    assert histogram.encode() == theirs.encode().decode()


@given(st.lists(durations, min_size=0, max_size=400), st.sampled_from([1, 100, 500, 900, 970, 990, 999]))
def test_a_percentile_is_the_smallest_sample_that_enough_samples_do_not_exceed(values, permille):
    histogram = merge([blob(values)])
    expected = by_definition(values, permille)

    actual = percentile(histogram, permille)

    if expected is None:
        assert actual is None
    else:
        assert actual is not None
        assert expected <= actual <= expected * 1.001


@settings(max_examples=40, deadline=None)
@given(st.lists(durations, min_size=1, max_size=200))
def test_maximum_and_mean_are_right_to_a_thousandth(values):
    summary = summarise(merge([blob(values)]))

    assert summary.samples == len(values)
    assert summary.maximum is not None
    assert max(values) <= summary.maximum <= max(values) * 1.001
    assert summary.mean == pytest.approx(sum(values) / len(values), rel=0.001)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(durations, max_size=60), max_size=4))
def test_merging_is_the_same_as_recording_together(parts):
    together = merge([blob([value for part in parts for value in part])])

    apart = merge(blob(part) for part in parts)

    assert apart.total == together.total
    assert summarise(apart) == summarise(together)


@settings(max_examples=30, deadline=None)
@given(st.lists(durations, max_size=100))
def test_the_fast_reader_sees_what_the_librarys_own_iterator_sees(values):
    buckets = merge([blob(values)]).recorded

    theirs = [
        (item.value_iterated_to, item.count_added_in_this_iter_step)
        for item in HdrHistogram.decode(blob(values))
    ]
    assert theirs == list(zip(buckets.highest.tolist(), buckets.counts.tolist(), strict=True))


def test_no_figure_from_fewer_than_ten_samples_beyond():
    short = summarise(merge([blob(range(1, 1000))]))
    enough = summarise(merge([blob(range(1, 1001))]))

    assert (short.p90, short.p99) == (900, None)
    assert enough.p99 == 990
    assert enough.p999 is None


def test_without_samples_everything_is_unknown():
    summary = summarise(merge([]))

    assert summary.samples == 0
    assert {summary.p50, summary.p90, summary.p99, summary.p999, summary.maximum, summary.mean} == {None}


def test_the_rank_is_rounded_up_and_never_to_the_nearest():
    """Hdrh rounds the rank: for 22.4 it takes the 22nd sample, below which too few lie."""
    values = list(range(1, 33))

    assert percentile(merge([blob(values)]), 670) == 22
    assert by_definition(values, 670) == 22
    assert HdrHistogram.decode(blob(values)).get_value_at_percentile(67) == 21


def test_a_damaged_histogram_is_named_and_never_skipped():
    with pytest.raises(MeasurementError, match="histogram 2 cannot be read"):
        merge([blob([1, 2]), blob([3])[:-9] + "AAAAAAAA="])


@pytest.mark.parametrize("garbage", ["", "x", "HISTFAAAAAB4nA==", "é" * 40])
def test_garbage_is_a_measurement_error(garbage):
    with pytest.raises(MeasurementError, match="histogram 1"):
        merge([garbage])


def test_values_beyond_an_hour_are_refused_rather_than_lost():
    longer = HdrHistogram(1, HIGHEST * 1000, 3)
    longer.record_value(HIGHEST * 100)

    with pytest.raises(MeasurementError):
        merge([longer.encode().decode()])


def test_another_number_of_digits_is_refused_rather_than_misread():
    coarse = HdrHistogram(1, HIGHEST, 2)
    coarse.record_value(5)

    with pytest.raises(ValueError, match="other settings"):
        Histogram.decode(coarse.encode().decode())


def test_a_histogram_with_a_wider_range_merges_exactly():
    wider = HdrHistogram(1, HIGHEST * 24, 3)
    for value in range(100, 5100):
        wider.record_value(value)

    assert summarise(merge([wider.encode().decode()])) == summarise(merge([blob(range(100, 5100))]))


def test_plain_values_are_summarised_alike():
    assert summarise_values([5] * 30) == summarise(merge([blob([5] * 30)]))
    with pytest.raises(MeasurementError, match="-1 µs"):
        summarise_values([-1])
