"""Verdicts on simulated blocks of known truth: how often they are false, and what they find."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from bench.analysis.comparison import PairedBlocks, Why, judge_family
from bench.analysis.comparison.statistics import hodges_lehmann, holm, interval, sign_flip_p


def blocks(lot, count, *, effect=0.0, deviation=0.03, wild=False, metric="m", again=0):
    """Blocks whose machine drifts by tens of percent between them; *deviation* is what pairing leaves."""
    drift = np.exp(lot.normal(0, 0.2, count))
    noise = lot.standard_t(2, count) if wild else lot.normal(0, 1, count)
    own = np.exp(lot.normal(0, deviation, (again, 2))) * 100
    return PairedBlocks(
        metric,
        list(100 * drift),
        list(100 * drift * np.exp(noise * deviation) * (1 + effect)),
        again=[tuple(pair) for pair in own],
    )


def share(kind, judgements):
    return sum(each.kind == kind for each in judgements) / len(judgements)


@pytest.mark.parametrize(("count", "wild"), [(6, False), (10, True), (16, True)])
def test_identical_variants_are_called_different_at_most_as_often_as_promised(count, wild):
    lot = np.random.default_rng(count)
    found = [judge_family([blocks(lot, count, wild=wild)])[0] for _ in range(120)]

    # 5 % of 120, and what chance may add to it.
    assert share("differs", found) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 120)


def test_a_family_of_metrics_raises_no_more_alarms_than_one():
    lot = np.random.default_rng(4)
    found = [judge_family([blocks(lot, 9, metric=str(n)) for n in range(8)]) for _ in range(40)]

    assert sum(any(each.kind == "differs" for each in family) for family in found) <= 5


def test_five_percent_more_is_found_and_its_interval_holds_the_truth():
    lot = np.random.default_rng(5)
    found = [judge_family([blocks(lot, 10, effect=0.05)])[0] for _ in range(60)]

    assert share("differs", found) >= 0.9
    assert sum(each.low <= 0.05 <= each.high for each in found) >= 54
    assert all(each.more_blocks is None for each in found if each.kind == "differs")


def test_equality_is_claimed_for_the_same_and_not_for_a_difference_at_the_margin():
    lot = np.random.default_rng(6)
    same = [judge_family([blocks(lot, 12)], margin=0.05)[0] for _ in range(60)]
    apart = [judge_family([blocks(lot, 12, effect=0.05)], margin=0.05)[0] for _ in range(100)]

    assert share("equivalent", same) >= 0.8
    assert sum(each.is_equivalent for each in apart) <= 10


def test_the_blocks_that_are_said_to_be_missing_do_settle_it():
    lot = np.random.default_rng(7)
    open_ones = [
        each
        for each in (judge_family([blocks(lot, 6, effect=0.04, deviation=0.05)])[0] for _ in range(40))
        if each.kind == "not resolved"
    ]
    typical = sorted(each.more_blocks for each in open_ones)[len(open_ones) // 2]
    longer = [judge_family([blocks(lot, 6 + typical, effect=0.04, deviation=0.05)])[0] for _ in range(40)]

    assert open_ones
    assert share("not resolved", longer) <= 0.5


@pytest.mark.parametrize("count", range(6))
def test_fewer_than_six_blocks_are_never_a_verdict(count):
    found = judge_family([PairedBlocks("m", [100.0] * count, [200.0] * count)])[0]

    assert found.kind == "not resolved"
    assert found.why is (Why.FEW_BLOCKS if count else Why.NO_BLOCKS)
    assert found.more_blocks == (6 - count if count else None)


def test_a_baseline_that_differs_from_itself_as_much_hides_the_difference():
    lot = np.random.default_rng(8)
    calm = blocks(lot, 10, effect=0.05, deviation=0.005)
    restless = PairedBlocks(
        "m", calm.baseline, calm.candidate, again=[(100, 115), (100, 88), (100, 109), (100, 94)]
    )

    assert judge_family([calm])[0].kind == "differs"
    hidden = judge_family([restless])[0]
    assert (hidden.kind, hidden.why) == ("not resolved", Why.WITHIN_FLOOR)
    assert hidden.floor > 0.05


def test_what_cannot_be_a_ratio_and_what_is_one_process_are_distinguished():
    zero = PairedBlocks("z", [0.0] * 8, [1.0] * 8)
    memory = PairedBlocks("m", [10.0] * 8, [20.0] * 8, is_repeated=False)

    assert [each.why for each in judge_family([zero, memory])] == [Why.NOT_POSITIVE, Why.ONE_PROCESS]


def test_estimates_and_tests_against_values_worked_out_by_hand():
    assert hodges_lehmann([1, 2, 9]) == pytest.approx(3.5)  # 1 1.5 2 5 5.5 9
    assert sign_flip_p([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)
    assert sign_flip_p([1, 2, 3, 4, 5, 6], "greater") == pytest.approx(1 / 64)
    assert sign_flip_p([0, 0, 0, 0, 0, 0]) == 1
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_the_sign_flip_test_agrees_with_wilcoxons():
    lot = np.random.default_rng(9)
    for _ in range(20):
        values = lot.normal(0.3, 1, 11)
        assert sign_flip_p(values) == pytest.approx(wilcoxon(values, method="exact").pvalue)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 1e6), st.floats(0.1, 1e6)), min_size=6, max_size=16))
def test_swapping_the_variants_turns_the_verdict_round(pairs):
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]

    there = judge_family([PairedBlocks("m", ours, theirs)])[0]
    back = judge_family([PairedBlocks("m", theirs, ours)])[0]

    assert there.kind == back.kind or {there.is_equivalent, back.is_equivalent} == {True, False}
    assert (1 + there.shift) * (1 + back.shift) == pytest.approx(1)
    assert there.p == pytest.approx(back.p)


def test_an_interval_of_identical_blocks_is_a_point():
    assert interval([0.1] * 8) == pytest.approx((0.1, 0.1))
