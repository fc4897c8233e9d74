"""One bound for the rate of misroutes, and it is the exact one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from bench.analysis.bounds import chance_of_at_least, misroute_upper_bound


@given(st.integers(1, 5_000), st.data())
def test_a_rate_at_the_bound_shows_so_few_misroutes_in_one_of_twenty(judged, data):
    """The definition of Clopper and Pearson, by the binomial distribution itself."""
    misrouted = data.draw(st.integers(0, judged - 1))

    bound = misroute_upper_bound(misrouted, judged)

    assert binom.cdf(misrouted, judged, bound) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(
    ("wrong", "judged", "low", "high"), [(0, 2_000_000, 1.49e-6, 1.5e-6), (0, 1, 0.94, 0.96)]
)
def test_without_a_misroute_it_is_about_three_by_the_number_judged(wrong, judged, low, high):
    assert low < misroute_upper_bound(wrong, judged) < high


def test_nothing_judged_has_no_bound():
    assert misroute_upper_bound(0, 0) is None
    assert misroute_upper_bound(5, 5) == 1.0
    with pytest.raises(ValueError, match="between 0 and judged"):
        misroute_upper_bound(6, 5)


@given(st.integers(0, 2_000), st.floats(0.001, 0.999), st.data())
def test_the_chance_is_the_upper_tail_of_the_binomial_distribution(whole, probability, data):
    count = data.draw(st.integers(0, whole))

    found = chance_of_at_least(count, whole, probability)

    assert found == pytest.approx(binom.sf(count - 1, whole, probability), rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(("count", "whole", "probability"), [(-1, 3, 0.5), (4, 3, 0.5), (1, 3, 1.5)])
def test_what_is_no_chance_is_refused(count, whole, probability):
    with pytest.raises(ValueError, match="count lies between"):
        chance_of_at_least(count, whole, probability)
