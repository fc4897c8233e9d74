"""Constrained on purpose, real processes: the search's readings lead to the right name.

The cheapest setups; `make benchmark-limits` tries all, and recorded readings of the others are judged in
tests/analysis/capacity.
"""

import pytest

from bench.analysis.capacity import find_constraints
from tests.benchmarks.limits.overload import can_hold_back, read_overload
from tests.benchmarks.limits.setups import SETUPS, scenario_of

# Other tests run beside this one: that the machine is busy is true, too.
SURROUNDINGS = {"machine", "machine-disturbed"}


@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.parametrize(
    "name",
    [
        "two workers of the gateway, one connection",
        "one connection to each node, no queue",
        pytest.param(
            "a tenth of a CPU for the gateway",
            marks=pytest.mark.skipif(not can_hold_back(), reason="no control group can be made here"),
        ),
    ],
)
def test_what_a_real_setup_was_constrained_by_is_named(name, generator, tmp_path):
    setup = SETUPS[name]

    window, at_hand = read_overload(scenario_of(setup, tmp_path / "scenario"), setup.load, generator)

    found = find_constraints(window, at_hand)
    first = next(each for each in found if each.code not in SURROUNDINGS)
    assert (first.code, first.part) == (setup.code, setup.part), found
    assert first.share > 0
