"""A change is named where there is one, and seldom where there is none, whatever the noise looks like."""

import numpy as np
import pytest

from bench.analysis.change_points import LEAST, LEVEL, changes_in, least_runs


def noise(random, runs):
    """Latencies of runs on a shared machine: skewed, and now and then far off."""
    return 1000 * np.exp(random.normal(0, 0.03, runs)) * np.where(random.random(runs) < 0.1, 1.5, 1.0)


def test_a_series_without_a_change_is_seldom_given_one():
    """At most one in a hundred: 6 and more of 200 would come by chance once in 60 times."""
    random = np.random.default_rng(1)
    alarms = sum(bool(changes_in(noise(random, 30), random)) for _ in range(200))

    assert alarms <= 200 * LEVEL * 3


def test_a_step_of_ten_percent_is_found_at_its_place_with_its_size():
    random = np.random.default_rng(2)
    near, sizes = 0, []
    for _ in range(40):
        values = noise(random, 30)
        values[18:] *= 1.1
        found = changes_in(values, random)
        near += any(abs(change.at - 18) <= 3 for change in found)
        sizes += [change.share for change in found]

    assert near >= 32
    assert np.median(sizes) == pytest.approx(0.1, abs=0.02)


def test_two_steps_are_two_changes_between_three_levels():
    random = np.random.default_rng(3)
    values = np.concatenate([np.full(10, 100.0), np.full(10, 130.0), np.full(10, 90.0)])
    first, second = changes_in(values * random.normal(1, 0.005, 30), random)

    assert (first.at, second.at) == (10, 20)
    assert first.after == second.before


def test_one_run_that_is_far_off_is_not_a_level():
    random = np.random.default_rng(4)
    values = 100 + random.normal(0, 1, 20)
    values[12] = 400

    assert changes_in(values, random) == ()


@pytest.mark.parametrize("values", [[], [5.0], [1.0] * 30, list(range(2 * LEAST - 1))])
def test_what_is_too_short_or_never_varies_has_no_change(values):
    assert changes_in(values, np.random.default_rng(5)) == ()


def test_as_many_runs_are_needed_as_a_clear_step_takes():
    random = np.random.default_rng(6)
    enough = least_runs()
    half = enough // 2
    step = [*np.linspace(1, 2, half), *np.linspace(11, 12, enough - half)]

    assert len(changes_in(step, random)) == 1
