"""Scaling over workers and replicas, the latency curve, and the end of a replica: logic without a stack."""

import pytest

from bench.analysis.capacity import cost_of_end
from bench.cli.sizing import _sizes_of
from bench.errors import InputError, MeasurementError
from bench.experiment.capacity.flow import find_capacity
from bench.experiment.capacity.scaling import measure_scaling, with_size
from bench.experiment.capacity.settings import CapacityOptions
from bench.result import CapacityResult, Constraint, ReplicaSecond
from bench.scenario import resources_of
from bench.scenario.load import load_scenario
from bench.stack.backend import Backend
from tests.experiment.test_run_flow import Diary


@pytest.fixture(scope="module")
def shipped(pytestconfig):
    return load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls")


def a_bound(rate):
    return CapacityResult(
        limit="",
        config_source="static",
        lowest=1,
        highest=9,
        width=0.03,
        lower=rate,
        constraints=(Constraint(code="cpu-quota", evidence="held"),),
    )


def test_the_law_is_fitted_to_searches_at_each_size_and_predicts_to_twice_the_largest(shipped):
    seen = []

    def search(loaded):
        size = len(loaded.scenario.inventory.replicas_of("egress"))
        seen.append(size)
        return a_bound(1_000 * size / (1 + 0.05 * (size - 1)))

    found = measure_scaling("replicas", (1, 2, 4), shipped, search)

    assert seen == [1, 2, 4]
    assert found.contention == pytest.approx(0.05, abs=0.005)
    assert [point.limit for point in found.points] == ["cpu-quota"] * 3
    assert list(found.predicted) == list(range(1, 9))
    assert found.predicted[8] == pytest.approx(1_000 * 8 / 1.35, rel=0.02)


def test_sizes_change_the_workers_or_the_replicas_of_the_gateway_alone(shipped):
    three = with_size(shipped, "workers", 3).scenario
    both = with_size(with_size(shipped, "replicas", 4), "replicas", 2).scenario

    assert resources_of(three, "egress", "egress").concurrency == 3
    assert resources_of(three, "sleep", "sidecar").concurrency == 1
    assert both.inventory.replicas_of("egress") == ("egress", "egress-2")


@pytest.mark.parametrize("sizes", [(1, 2), (1, 1, 2), (0, 1, 2), (1, 2, 99)])
def test_sizes_that_make_no_law_are_refused_before_anything_is_started(shipped, sizes, tmp_path):
    backend = Backend("none", lambda _: pytest.fail("started"), lambda _: pytest.fail("started"), dict)
    options = CapacityOptions(tmp_path / "out", "", backend, quick=True, scaling=("workers", sizes))

    with pytest.raises(InputError, match="three different sizes"):
        find_capacity(shipped, options, Diary())
    assert not (tmp_path / "out").exists()


def test_sizes_at_which_nothing_was_found_are_no_points_of_the_law(shipped):
    rates = iter([100.0, None, 300.0])

    with pytest.raises(MeasurementError, match="2 of 3 sizes only"):
        measure_scaling("workers", (1, 2, 3), shipped, lambda loaded: a_bound(next(rates)))


@pytest.mark.parametrize("text", ["pods=1,2,4", "replicas", "replicas=1,two", "workers=1,,2"])
def test_a_scaling_that_is_none_is_refused_in_one_paragraph(text):
    with pytest.raises(InputError, match="--scaling replicas=1,2,4"):
        _sizes_of(text)


def test_the_end_of_a_replica_costs_what_was_lost_until_all_was_good_again():
    seconds = [ReplicaSecond(due=100, lost=lost) for lost in (0, 1, 30, 2, 1, 0)]

    killed = cost_of_end("egress-2", 100, 2, seconds, 0.01)

    assert (killed.lost, killed.due, killed.good_after_s) == (33, 400, 2)
    assert cost_of_end("x", 100, 2, seconds[:4], 0.01).good_after_s is None
    assert cost_of_end("x", 100, 4, seconds, 0.01).good_after_s == 0
