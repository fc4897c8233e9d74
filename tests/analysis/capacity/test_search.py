"""The search finds the capacity of simulated targets, in bounded trials, whatever spoils some of them."""

import random
import statistics

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.analysis.capacity import Capacity, Goal, Purpose, Trial, next_step, progress
from bench.analysis.capacity.loads import Record, records
from bench.errors import InputError
from tests.benchmarks.search.searches import nighthawk, ours
from tests.benchmarks.search.targets import (
    Drifting,
    Hysteresis,
    SharpKnee,
    SoftKnee,
    SpoiledByBursts,
    SpoiledByRate,
    TiresInSoak,
)

GOAL = Goal(lowest=50, highest=20_000, start=1_000)
SEEDS = range(25)


def knee(seed):
    return SharpKnee(random.Random(seed).uniform(2_000, 8_000))


def errors(make, goal=GOAL):
    targets = [make(seed) for seed in SEEDS]
    answers = [ours(goal, target)[0] for target in targets]
    return [a.lower / t.capacity() - 1 for a, t in zip(answers, targets, strict=True)], answers


def test_a_sharp_knee_is_found_within_the_width_and_never_exceeded():
    found, answers = errors(knee)

    assert all(-0.0101 <= error <= 0 for error in found)
    assert all(answer.state == "found" and answer.soaked for answer in answers)
    assert all(a.upper / a.lower - 1 <= 0.0101 for a in answers)


@pytest.mark.parametrize(("share", "most_s"), [(0.1, 60), (0.2, 90)])
def test_spoiled_trials_cost_time_and_no_accuracy(share, most_s):
    found, answers = errors(lambda seed: SpoiledByRate(knee(seed), share, random.Random(seed + 999)))

    assert sum(abs(error) <= 0.02 for error in found) >= 24
    assert max(found) <= 0
    assert statistics.median(answer.spent_s for answer in answers) <= most_s


def test_bursts_of_noise_do_not_fix_a_bound_for_ever():
    found, _ = errors(lambda seed: SpoiledByBursts(knee(seed), 0.1, 3.0, random.Random(seed + 999)))

    assert sum(abs(error) <= 0.02 for error in found) >= 23
    assert max(found) <= 0


def test_nighthawks_rules_fail_on_the_same_seeds():
    """Otherwise the targets would prove nothing."""
    near = 0
    for seed in SEEDS:
        target = SpoiledByRate(knee(seed), 0.1, random.Random(seed + 999))
        answer = nighthawk(GOAL, target)
        near += answer.rate is not None and abs(answer.rate / target.capacity() - 1) <= 0.02

    assert near < 18


def test_a_soft_knee_agrees_with_a_search_of_ten_times_the_seconds():
    longer = Goal(
        lowest=50,
        highest=20_000,
        start=1_000,
        duration_sum_s=210,
        soak_s=100,
        most_s=4_000,
        most_trials=4_000,
    )
    reference = ours(longer, SoftKnee(5_000, 0.0092, 0.01, 77))[0].lower
    found = [ours(GOAL, SoftKnee(5_000, 0.0092, 0.01, seed))[0].lower for seed in range(3)]

    assert abs(statistics.median(found) / reference - 1) <= 0.03


def test_a_target_that_drifts_is_not_overestimated():
    for per_minute in (-0.02, 0.02):
        found, _ = errors(lambda seed, drift=per_minute: Drifting(knee(seed).limit, drift))
        assert max(found) <= 0.01
        assert min(found) >= -0.05


def test_damage_that_an_overload_leaves_behind_does_not_lower_the_answer():
    found, _ = errors(lambda seed: Hysteresis(knee(seed).limit, 0.1, 3.0))

    assert min(found) >= -0.02
    assert max(found) <= 0


def test_a_soak_demotes_what_short_trials_called_good():
    answer, trials = ours(GOAL, TiresInSoak(4_000, 3_900, patience_s=3))

    assert answer.lower <= 3_900
    assert answer.soaked
    assert answer.demoted
    assert all(load > answer.lower for load in answer.demoted)
    assert [trial.purpose for trial in trials].count(Purpose.SOAK) == 2 * len(answer.demoted) + 1


def test_a_generator_that_ends_first_gives_no_upper_bound_of_the_target():
    answer, trials = ours(GOAL, SharpKnee(5_000), generator=3_000)

    assert answer.state == "generator-limited"
    assert 2_940 <= answer.lower <= 3_000
    assert all(not trial.is_good(GOAL) for trial in trials if trial.load > 3_000)


def test_one_hiccup_of_the_generator_is_not_taken_for_its_end():
    """A single trial that the generator spoiled is outvoted like any other."""
    trials = []
    while not isinstance(step := next_step(GOAL, trials), Capacity):
        first = len(trials) == 3
        trials.append(
            Trial(
                step.load,
                step.duration_s,
                0.9 if first or step.load > 4_000 else 0,
                step.purpose,
                step.target,
                generator_limited=first,
            )
        )

    assert step.state == "found"
    assert 3_920 <= step.lower <= 4_000


def test_a_target_beyond_the_range_is_at_least_the_highest_load():
    answer, _ = ours(GOAL, SharpKnee(1e9))

    assert (answer.state, answer.lower, answer.upper) == ("at least", 20_000, None)
    assert answer.soaked


def test_a_target_below_the_range_has_nothing_good():
    answer, _ = ours(GOAL, SharpKnee(10))

    assert (answer.state, answer.lower, answer.upper) == ("nothing good", None, 50)


@pytest.mark.parametrize("seed", range(5))
def test_each_step_follows_from_the_trials_alone(seed):
    _, trials = ours(GOAL, SpoiledByRate(knee(seed), 0.2, random.Random(seed)))

    for number, trial in enumerate(trials):
        step = next_step(GOAL, trials[:number])
        assert (step.load, step.duration_s, step.purpose) == (trial.load, trial.duration_s, trial.purpose)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.floats(0, 1), st.floats(60, 90_000))
@example(42215036, 0.625, 1030.0)
def test_a_search_ends_within_its_budget_whatever_the_trials_say(seed, noise, limit):
    goal = Goal(lowest=50, highest=100_000, start=900, most_s=120, most_trials=80)
    lot = random.Random(seed)
    trials = []
    while not isinstance(step := next_step(goal, trials), Capacity):
        left = progress(goal, trials)
        assert left.at_most_s >= step.duration_s
        assert left.expected_s <= left.at_most_s
        assert goal.lowest <= step.load <= goal.highest
        loss = lot.choice((0.0, 0.02, 1.0)) if lot.random() < noise else float(step.load > limit)
        trials.append(Trial(step.load, step.duration_s, loss, step.purpose, step.target))

    assert len(trials) <= 80
    assert step.spent_s <= 120
    if step.lower is not None and step.upper is not None:
        assert step.lower < step.upper


def test_optimistic_and_pessimistic_estimates_settle_a_load_early():
    """Eleven of 21 seconds decide; ten do not."""
    final = GOAL.ladder[-1]

    assert Record(good_long_s=10).classify(GOAL, final) == "undecided"
    assert Record(good_long_s=11).classify(GOAL, final) == "lower"
    assert Record(bad_long_s=10).classify(GOAL, final) == "undecided"
    assert Record(bad_long_s=11).classify(GOAL, final) == "upper"
    assert Record(good_long_s=30, bad_long_s=31).classify(GOAL, final) == "upper"


def test_good_short_trials_excuse_bad_short_ones_and_prove_nothing():
    final = GOAL.ladder[-1]

    assert Record(good_short_s=50).classify(GOAL, final) == "undecided"
    assert Record(bad_short_s=20, good_short_s=12).classify(GOAL, final) == "undecided"
    assert Record(bad_short_s=20, good_short_s=8).classify(GOAL, final) == "upper"


def test_conditional_throughput_is_that_of_the_worst_trial_that_decides():
    trials = [Trial(1_000, 1, loss) for loss in (0.0, 0.002, 0.005, 0.3)]
    record = records(GOAL, trials)[GOAL.index(1_000)]

    assert record.conditional_throughput(GOAL, 1_000) == pytest.approx(998)
    assert Record().conditional_throughput(GOAL, 1_000) is None


def test_a_soak_that_collapses_at_its_end_is_bad_however_well_it_began():
    def soak(*windows):
        return Trial(100, 10, 0, Purpose.SOAK, windows=windows).is_good(GOAL)

    assert soak(0, 0, 1, 0, 1, 0, 0, 0, 1, 0)
    assert not soak(0, 0, 0, 0, 0, 0, 0, 1, 1, 1)
    assert not soak(1, 1, 1, 1, 1, 1, 0, 0, 0, 0)


def test_trials_at_low_loads_last_until_their_loss_means_something():
    assert GOAL.duration_s(5_000) == 1
    assert GOAL.duration_s(400) == 2.5
    assert GOAL.duration_s(1) == GOAL.duration_sum_s / 2


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"lowest": 0}, "lowest rate"),
        ({"highest": float("nan")}, "highest rate"),
        ({"highest": 10}, "is below the lowest"),
        ({"width": 0}, "width"),
        ({"exceed_ratio": 1}, "exceed ratio"),
        ({"loss": -1}, "loss"),
        ({"trial_s": 30}, "do not fit together"),
    ],
)
def test_a_goal_that_cannot_be_reached_is_refused(changed, named):
    with pytest.raises(InputError, match=named):
        Goal(**{"lowest": 50, "highest": 20_000, "start": 1_000, **changed})
