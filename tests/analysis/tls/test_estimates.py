"""Intervals of quantiles, means and differences."""

import numpy as np
import pytest
from scipy.stats import binom

from bench.analysis.tls import difference, mean_interval, median_interval, quantile_interval
from bench.analysis.tls.estimates import mean_at_pace
from bench.result import Estimate


def test_the_interval_of_a_median_holds_it_in_95_of_100_samples():
    lot = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        found = median_interval(lot.exponential(1000, 60))
        held += found.low <= 1000 * np.log(2) <= found.high

    assert held >= 370


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_the_bounds_of_a_quantile_are_those_of_the_binomial_distribution(share):
    for count in (6, 17, 25, 60, 333, 5000):
        low, high = binom.ppf([0.025, 0.975], count, share)
        if low >= 1 and high + 1 <= count:
            found = quantile_interval(list(range(1, count + 1)), share)
            assert (found.low, found.high) == (low, high + 1)


def test_a_quartile_lies_where_it_should():
    found = quantile_interval(list(range(1, 1001)), 0.25)

    assert found.value == pytest.approx(250.75)
    assert found.low < 250 < found.high
    assert found.high - found.low < 60


@pytest.mark.parametrize("count", [0, 1, 5])
def test_five_samples_are_too_few_for_an_interval_of_the_median(count):
    assert median_interval([1.0] * count) is None


def test_six_samples_span_their_own_median():
    found = median_interval([1, 2, 3, 4, 5, 6])

    assert (found.value, found.low, found.high) == (3.5, 1, 6)


def test_a_mean_has_the_interval_of_students_t():
    found = mean_interval([10.0, 12.0, 14.0])

    # s = 2, t(0.975, 2) = 4.303, 4.303 · 2 / √3 = 4.968
    assert (found.value, round(found.high - found.value, 3)) == (12, 4.968)
    assert mean_interval([1.0, 2.0]) is None


def test_half_widths_of_a_difference_add_up_by_squares():
    found = difference(Estimate(value=10, low=7, high=13), Estimate(value=4, low=0, high=8))

    assert (found.value, found.low, found.high) == (6, 1, 11)


def test_the_half_width_of_zero_is_unknown():
    assert Estimate(value=0, low=-1, high=1).half_width is None
    assert Estimate(value=200, low=190, high=210).half_width == 0.05


def test_what_paces_explain_leaves_the_mean_and_narrows_its_interval():
    values, pace = [10.0, 11.1, 11.9, 13.0, 14.1, 14.9], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]

    seen, unseen = mean_at_pace(values, [pace]), mean_interval(values)

    assert seen.value == unseen.value
    assert seen.high - seen.low < (unseen.high - unseen.low) / 10


@pytest.mark.parametrize(
    "paces", [[], [[2.0] * 6], [[1, 2, 3, 4, 5, 6], [6, 5, 1, 2, 4, 3]]], ids=["none", "steady", "too many"]
)
def test_paces_that_cannot_explain_leave_students_interval(paces):
    values = [10.0, 11.0, 12.0, 13.0, 14.0, 15.5]

    assert mean_at_pace(values, paces) == mean_interval(values)
