"""A difference between sources is claimed only where the blocks carry it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.compare import compare_sources, comparisons_of
from bench.result import Comparison, ComponentCost, Latency
from tests.support.results import subset_result, trial_result


def of(static, eds):
    blocks = Comparison(metric="m", unit="µs", scope="load", static=tuple(static), eds=tuple(eds))
    return compare_sources((blocks,))[0]


def test_medians_ratio_and_paired_differences():
    found = of([100, 110], [120, 121])

    assert (found.static.median, found.eds.median) == (105, 120.5)
    assert found.ratio == pytest.approx(120.5 / 105)
    assert found.differences == (20, 11)
    assert (found.static.lowest, found.static.highest) == (100, 110)


def test_two_blocks_are_never_enough():
    found = of([100, 100], [200, 200])

    assert not found.resolved
    assert found.wording == "not resolved: 2 blocks, a verdict needs 6 or more"


def test_a_difference_in_every_block_is_reported_with_its_size_and_interval():
    found = of([100, 101, 100, 101, 100, 101], [110, 111, 110, 111, 110, 111])

    assert found.resolved
    assert found.wording == "eds 9.95 % higher than static (95 %: +9.9 % to +10 %)"


def test_sources_that_agree_in_every_block_are_equal_within_the_margin():
    found = of([100, 101, 100, 101, 100, 101], [100.2, 100.9, 99.9, 101.3, 100.1, 100.8])

    assert not found.resolved
    assert found.wording.startswith("equal within ±2 % (95 %: ")


def test_blocks_that_vary_too_much_say_how_many_more_would_do():
    found = of([100] * 6, [104, 97, 105, 98, 103, 99])

    assert not found.resolved
    assert found.wording.startswith("not resolved: the 6 blocks vary too much (they would show a change of")
    assert found.judgement.more_blocks > 0


def test_one_small_p_among_many_metrics_is_not_a_difference():
    """Six blocks reach p = 3 % at best, which a family of eight metrics produces by chance."""
    noise = Comparison(
        metric="n", unit="µs", scope="load", static=(100,) * 6, eds=(97, 104, 99, 101, 96, 103)
    )
    apart = noise.model_copy(update={"metric": "m", "eds": (110, 111, 110, 111, 110, 111)})

    found = compare_sources((apart, *(noise.model_copy(update={"metric": str(n)}) for n in range(7))))

    assert not found[0].resolved
    assert compare_sources((apart,))[0].resolved


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=12))
def test_a_source_compared_with_itself_never_differs(values):
    found = of(values, values)

    assert not found.resolved
    assert found.difference == 0
    assert found.ratio == 1


def test_an_unfinished_block_is_left_out():
    assert of([100, 101, 102], [100, 101]).blocks == 2
    assert of([100], []).wording == "not resolved: no complete block"


def test_a_median_of_zero_has_no_ratio():
    assert of([0, 0], [1, 1]).ratio is None


def a_trial(source, block, p50, cpu=(50.0,), experiment="steady"):
    return trial_result(
        f"{block} {source}",
        experiment=experiment,
        config_source=source,
        block=block,
        total=subset_result(response_time=Latency(samples=100, p50=p50)),
        costs=tuple(
            ComponentCost(
                component=f"egress {number}",
                role="egress",
                cpu_seconds=None,
                cpu_us_per_request=value,
                memory_bytes=None,
            )
            for number, value in enumerate(cpu)
        ),
    )


def test_trials_are_lined_up_by_block_and_not_by_order():
    trials = [
        a_trial("static", 1, 100),
        a_trial("eds", 1, 200),
        a_trial("eds", 2, 201),
        a_trial("static", 2, 101),
        a_trial("static", 3, 102),
        a_trial("static", 4, 999, experiment="handshake"),
        a_trial("eds", 4, 999, experiment="handshake"),
    ]

    found = {comparison.metric: comparison for comparison in comparisons_of(trials)}

    assert found["response time p50"].static == (100, 101)
    assert found["response time p50"].eds == (200, 201)
    assert found["gateway CPU per request"].static == (50.0, 50.0)
    assert set(found) == {"response time p50", "gateway CPU per request"}


def test_one_unknown_part_makes_the_sum_unknown():
    trials = [a_trial("static", 1, 100, cpu=(50.0, None)), a_trial("eds", 1, 100, cpu=(50.0, 10.0))]

    assert "gateway CPU per request" not in {comparison.metric for comparison in comparisons_of(trials)}


def test_memory_of_the_same_two_processes_are_not_six_observations():
    """However far apart, block after block reads the same processes again."""
    memory = Comparison(
        metric="gateway memory", unit="bytes", scope="process", static=(30.0,) * 6, eds=(20.0,) * 6
    )

    found = compare_sources((memory,))[0]

    assert not found.resolved
    assert "one process of each source" in found.wording
