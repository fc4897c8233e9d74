"""A small share of slow requests is found by the mode that it makes; a tail, or a pause, makes none."""

import numpy as np
import pytest

from bench.analysis.histogram import Histogram
from bench.analysis.second_mode import second_mode

DICE = np.random.default_rng(14)


def times(*parts):
    """A histogram of several parts, each an array of microseconds."""
    found = Histogram()
    for part in parts:
        found.record(np.maximum(1, np.asarray(part)).astype(np.int64))
    return found


def bulk(size=10_000, median=800):
    return DICE.lognormal(np.log(median), 0.4, size)


def slowed(size, by=30_000):
    return bulk(size) + by


STUB = times(bulk(median=150))


def test_one_percent_that_takes_thirty_milliseconds_longer_is_found_with_its_size():
    mode = second_mode(times(bulk(), slowed(100)), STUB)

    assert mode.samples == 100
    assert mode.share == pytest.approx(0.0099, abs=1e-4)
    assert mode.excess_us == pytest.approx(30_000, rel=0.1)
    assert mode.low_us < 30_000 < mode.high_us
    assert mode.baseline_share == 0


@pytest.mark.parametrize(
    "spoilt",
    [
        times(bulk()),
        # Pauses of a busy machine: any length, the longer the rarer.
        times(bulk(), 800 + DICE.pareto(1.0, 300) * 4_000),
        times(bulk(), 800 + DICE.uniform(0, 60_000, 300)),
        # Too few, and too many to be a small share.
        times(bulk(), slowed(15)),
        times(bulk(4_000), slowed(6_000)),
        # A mode, but near.
        times(bulk(), slowed(300, by=4_000)),
        Histogram(),
    ],
    ids=["nothing slow", "a falling tail", "an even tail", "too few", "half of all", "near", "nothing"],
)
def test_what_is_not_a_second_mode_is_not_reported(spoilt):
    assert second_mode(spoilt, STUB) is None


def test_what_the_null_target_has_as_well_is_the_machines_doing():
    stub = times(bulk(median=150), bulk(100, median=150) + 30_000)

    assert second_mode(times(bulk(), slowed(100)), stub) is None


def test_without_a_baseline_a_mode_is_reported_and_nothing_is_said_of_one():
    assert second_mode(times(bulk(), slowed(100))).baseline_share is None
