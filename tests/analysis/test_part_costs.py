"""Costs of parts: one rule for what is not known, whatever is put together."""

import pytest

from bench.analysis.part_costs import (
    cpu_us_of_part,
    cpu_us_of_role,
    mean,
    memory_bytes_of_part,
    memory_bytes_of_role,
    middle,
    parts_of,
    peak,
    total,
)
from bench.result import ComponentCost
from tests.support.results import trial_result


def a_trial(*costs):
    return trial_result(
        costs=tuple(
            ComponentCost(
                component=name, role=role, cpu_seconds=None, cpu_us_per_request=cpu, memory_bytes=memory
            )
            for name, role, cpu, memory in costs
        ),
    )


@pytest.mark.parametrize("put_together", [total, mean, middle, peak])
def test_with_one_unknown_value_the_whole_is_unknown(put_together):
    assert put_together([1.0, None, 3.0]) is None
    assert put_together([]) is None
    assert put_together([0.0]) == 0


def test_a_role_is_the_sum_of_its_parts_and_a_part_the_median_of_its_trials():
    first = a_trial(("n1", "node", 10, 100), ("n2", "node", 20, 300), ("gw", "egress", 7, 50))
    second = a_trial(("n1", "node", 30, 200), ("n2", "node", None, 300))

    assert cpu_us_of_role(first, "node") == 30
    assert memory_bytes_of_role(first, "node") == 400
    assert cpu_us_of_role(second, "node") is None
    assert cpu_us_of_role(second, "egress") is None
    assert cpu_us_of_part([first, second], "n1") == 20
    assert cpu_us_of_part([first, second], "n2") is None
    assert cpu_us_of_part([first, second], "gw") == 7
    assert memory_bytes_of_part([first, second], "n1") == 200
    assert parts_of([second, first]) == ("n1", "n2", "gw")
