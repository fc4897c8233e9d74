"""What a trial lost, and which trials go together."""

import pytest

from bench.analysis.capacity import Capacity, Goal, Trial, lost, next_step, next_steps, time_limits
from bench.errors import InputError
from bench.result import SubsetOutcome
from tests.support.fake_generator import counts_of
from tests.support.histograms import blob

P99 = time_limits({"response_time_p99_ms": 50.0}, "s")


def a_subset(times_us, due, **changes):
    empty = blob(1)
    return SubsetOutcome(
        name="v1",
        counts=counts_of(due, **changes),
        response_time=blob(*times_us),
        service_time=empty,
        lag=empty,
    )


def test_a_trial_loses_what_is_slow_and_what_has_no_right_answer():
    found = lost([a_subset([900] * 985 + [51_000] * 5, 1_000, unsent=2, failed=5, misrouted=3)], P99)

    assert (found.bad, found.slow, found.misrouted) == (10, 5, 3)
    assert found.share == pytest.approx(0.015)
    assert found.why == ("1.5 % lost of at most 1 %: 5 of 1,000 slower than 50 ms, 10 without a right answer")


def test_the_limit_that_is_hardest_to_meet_decides():
    limits = time_limits({"response_time_p50_ms": 1.0, "response_time_p99_ms": 50.0, "failed": 0}, "s")

    found = lost([a_subset([900] * 400 + [2_000] * 600, 1_000)], limits)

    assert found.hardest.name == "response_time_p50_ms"
    assert found.share == pytest.approx(0.012)
    assert found.why.startswith("60 % lost of at most 50 %: 600 of 1,000 slower than 1 ms")


def test_nothing_due_is_nothing_proven():
    assert lost([a_subset([], 0)], P99).share == 1


def test_without_a_limit_on_times_there_is_no_capacity():
    with pytest.raises(InputError, match="no limit on the response time"):
        time_limits({"failed": 0, "response_time_p99_ms": None}, "scenario.yaml:9")


@pytest.mark.parametrize("capacity", [333, 1_700, 9_000])
def test_trials_that_go_together_are_those_that_come_one_by_one(capacity):
    goal = Goal(lowest=20, highest=5_000, start=500)
    alone, together = [], []

    def made(step):
        return Trial(step.load, step.duration_s, float(step.load > capacity), step.purpose, step.target)

    while not isinstance(step := next_step(goal, alone), Capacity):
        alone.append(made(step))
    loads = 0
    while not isinstance(steps := next_steps(goal, together), Capacity):
        loads += 1
        together += [made(step) for step in steps]

    assert together == alone
    assert steps == step
    assert loads < len(alone)
