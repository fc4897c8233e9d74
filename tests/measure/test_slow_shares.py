"""Slow requests are reported for the stack, kind and trial that has them, unless the machine had no room."""

from datetime import UTC, datetime

import numpy as np
import pytest

from bench.analysis.histogram import Histogram
from bench.load import Generator, LoadOutcome, StageOutcome
from bench.measure.slow_shares import judge_slow_shares
from bench.measure.trial_plan import TrialPlan
from bench.measure.trial_result import StackReadings, finished_trial
from bench.result import Counts, MachineUse, SubsetOutcome
from bench.scenario import Constant

REQUESTS, SECONDS, MEDIAN = 2_500, 5.0, 900
CALM = MachineUse(ours_share=0.3, others_share=0.02, idle_share=0.68, steal_share=0.0)
TAKEN = MachineUse(ours_share=0.3, others_share=0.6, idle_share=0.1, steal_share=0.0)
FULL = MachineUse(ours_share=0.9, others_share=0.02, idle_share=0.08, steal_share=0.0)


def stage(kinds, *, late=0):
    """*kinds*: name -> extra time, µs, of each slow request; they come one in each moment."""
    parts = {}
    for name, extra in kinds.items():
        times = Histogram()
        times.record(np.full(REQUESTS - len(extra), MEDIAN, dtype=np.int64))
        times.record(np.asarray([MEDIAN + each for each in extra], dtype=np.int64))
        parts[name] = times.encode()
    return StageOutcome(
        name="measure",
        kind="measure",
        duration_s=SECONDS,
        open_loop=True,
        intended=REQUESTS * len(kinds),
        subsets=tuple(
            SubsetOutcome(
                name=name,
                counts=Counts(
                    due=REQUESTS, sent=REQUESTS, answered=REQUESTS, failed=0, misrouted=0, unsent=0
                ),
                response_time=blob,
                service_time=blob,
                lag=blob,
            )
            for name, blob in parts.items()
        ),
        slow_moments={
            name: {moment: MEDIAN + each for moment, each in enumerate(extra)}
            for name, extra in kinds.items()
        },
        late_moments=dict.fromkeys(range(late), 20_000),
    )


def outcome(*stages):
    return LoadOutcome(
        stages=stages, generator=Generator(cpu_seconds=1.0, requests=REQUESTS, workers=1, connects=1)
    )


def trial(name, kinds, *, source="static", machine=CALM, late=0):
    plan = TrialPlan(name, "steady", source, Constant(arrival_rate=500), SECONDS)
    readings = StackReadings((), None, None, 0, None, machine)
    return finished_trial(plan, datetime.now(UTC), outcome(stage(kinds, late=late)), readings=readings)


TAIL = tuple(range(11_000, 71_000, 1_000))
QUIET: tuple[int, ...] = ()
STUB = outcome(stage({"v1": QUIET}))


def reported(trials):
    return [(found.code, found.message.partition(":")[0]) for found in judge_slow_shares(trials, STUB)]


def test_a_tail_is_told_with_its_size_and_with_what_the_machine_did():
    (found,) = judge_slow_shares([trial("block 1 static", {"v1": TAIL, "v2": QUIET})], STUB)

    assert found.code == "slow-tail"
    assert found.message == (
        "block 1 static: 2.40% of the requests of v1 (60) take at least 10 ms longer than their median,"
        " in 60 of 100 moments of 50 ms. Generator and null target were that late in 0 of 200: the machine"
        " alone makes so many with a probability of 3e-11."
    )


def test_trials_of_one_stack_are_judged_together_and_others_for_themselves():
    few = TAIL[:25]
    trials = [
        trial(f"block {number} {source}", {"v1": few if source == "eds" else QUIET}, source=source)
        for number in (1, 2, 3)
        for source in ("static", "eds")
    ]

    assert reported(trials) == [("slow-tail", "eds, 3 trials")]


def test_what_one_trial_alone_has_is_reported_for_that_trial():
    slow = {"v1": TAIL}
    # In the other trials the generator itself is late as often.
    trials = [
        trial("block 1 static", slow),
        *(trial(f"block {number} static", {"v1": QUIET}, late=60) for number in (2, 3)),
    ]

    assert reported(trials) == [("slow-tail", "block 1 static")]


def test_what_is_too_rare_in_each_stack_and_kind_is_found_in_all_of_them():
    few = TAIL[:16]
    trials = [
        trial(f"block {number} {source}", {"v1": few if number == 1 else QUIET, "v2": QUIET}, source=source)
        for number in (1, 2)
        for source in ("static", "eds", "ads")
    ]

    assert reported(trials) == [("slow-tail", "ads and eds and static, 6 trials")]


@pytest.mark.parametrize("machine", [TAKEN, FULL, None], ids=["others use it", "we use it up", "unknown"])
def test_a_machine_without_room_is_never_taken_for_a_tail_of_the_path(machine):
    assert reported([trial("block 1 static", {"v1": TAIL}, machine=machine)]) == []


def test_a_generator_that_is_as_late_explains_the_tail():
    assert reported([trial("block 1 static", {"v1": TAIL}, late=40)]) == []


def test_a_second_mode_is_reported_as_such_and_not_as_a_tail():
    mode = tuple(30_000 + 50 * number for number in range(60))

    assert reported([trial("block 1 static", {"v1": mode})]) == [("slow-share", "block 1 static")]


def test_time_slices_of_others_are_not_taken_for_a_mode_of_the_path():
    mode = tuple(30_000 + 50 * number for number in range(60))
    trials = [trial("block 1 static", {"v1": mode}, machine=TAKEN), trial("block 2 static", {"v1": QUIET})]

    assert reported(trials) == []
    # Who fills the processors is this run itself: then it is the path's.
    assert reported([trial("block 1 static", {"v1": mode}, machine=FULL)]) == [
        ("slow-share", "block 1 static")
    ]
