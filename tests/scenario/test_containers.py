"""Limits and images as a scenario writes them."""

import pytest
from pydantic import ValidationError

from bench.scenario.containers import Images, Resources


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("128Mi", 128 << 20),
        ("1Gi", 1 << 30),
        ("500M", 500_000_000),
        ("1.5Gi", 3 << 29),
        (16_777_216, 16 << 20),
    ],
)
def test_memory_is_written_as_in_kubernetes(written, size):
    assert Resources(memory=written).memory == size


@pytest.mark.parametrize("written", ["128 MB", "much", "1K", "-1Gi", "1Mi"])
def test_other_sizes_are_refused(written):
    with pytest.raises(ValidationError):
        Resources(memory=written)


@pytest.mark.parametrize(
    ("cpus", "cores", "threads"),
    [("500m", 0.5, 1), (0.5, 0.5, 1), (2, 2.0, 2), ("2500m", 2.5, 3), (None, None, 1)],
)
def test_cores_decide_the_workers_of_a_proxy_rounded_up(cpus, cores, threads):
    resources = Resources(cpus=cpus)

    assert (resources.cpus, resources.concurrency) == (cores, threads)


@pytest.mark.parametrize("cpuset", ["0", "0-1", "0,2-3"])
def test_core_sets_are_lists_of_numbers(cpuset):
    assert Resources(cpuset=cpuset).cpuset == cpuset
    with pytest.raises(ValidationError):
        Resources(cpuset=f"{cpuset},x")


def test_unknown_fields_are_refused():
    with pytest.raises(ValidationError):
        Images(haproxy="x")
    with pytest.raises(ValidationError):
        Resources(cpu=1)
