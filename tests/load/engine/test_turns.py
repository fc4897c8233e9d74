"""Groups of requests that take turns: who is due when, and that every reader of the schedule agrees."""

import numpy as np
import pytest

from bench.load import LoadPlan, RequestKind, Stage, Target, Turns
from bench.load.engine import SEQUENCES, kinds_of, schedule
from bench.load.engine.arrivals import Share, arrivals, due_by_kind
from bench.scenario.traffic import Constant, Poisson

SLICE_S = 0.05
WEIGHTS = (1.0, 3.0, 2.0, 2.0, 1.0)
GROUPS = ((0, 1), (2,), (3, 4))


def plan_of(each, *, seconds=3.0, turns=None, seed=1):
    return LoadPlan(
        run_id="r",
        target=Target(address="127.0.0.1", port=1, host="h"),
        requests=tuple(RequestKind(name=f"k{index}", weight=weight) for index, weight in enumerate(WEIGHTS)),
        stages=(
            Stage(name="warm-up", kind="warm_up", duration_s=1.0, schedule=each),
            Stage(name="measure", kind="measure", duration_s=seconds, schedule=each),
        ),
        turns=turns or Turns(groups=GROUPS, slice_s=SLICE_S),
        seed=seed,
    )


def requests_of(plan, share=None):
    """(sequence number, due, kind) of all requests of the measured stage."""
    share = share or Share()
    return [
        (chunk.first + number * share.total, due, kind)
        for chunk in arrivals(plan, share)
        for number, (due, kind) in enumerate(zip(chunk.due, chunk.kinds, strict=True))
        if chunk.stage == 1
    ]


def group_of(kind):
    return next(number for number, group in enumerate(GROUPS) if kind in group)


def test_within_a_slice_only_one_group_is_due_and_in_a_round_each_has_one_in_an_order_that_changes():
    plan = plan_of(Constant(arrival_rate=1000))
    by_slice = {}
    for _, due, kind in requests_of(plan):
        by_slice.setdefault(int((due - 1.0) / SLICE_S + 1e-9), set()).add(group_of(kind))

    assert all(len(groups) == 1 for groups in by_slice.values())
    order = [next(iter(by_slice[number])) for number in sorted(by_slice)]
    rounds = [tuple(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert len(rounds) == 20
    assert all(sorted(each) == [0, 1, 2] for each in rounds)
    assert len(set(rounds)) > 3


@pytest.mark.parametrize("groups", [((0, 1), (2,)), ((0, 1), (1, 2), (3, 4))], ids=["none", "two"])
def test_every_request_has_one_turn(groups):
    with pytest.raises(ValueError, match="every request is in one group"):
        plan_of(Constant(arrival_rate=1), turns=Turns(groups=groups, slice_s=SLICE_S))


def test_a_group_keeps_its_own_rate_and_the_weights_within_it():
    plan = plan_of(Constant(arrival_rate=1000), seconds=9.0)
    kinds = np.array([kind for _, _, kind in requests_of(plan)])
    counts = np.bincount(kinds, minlength=len(WEIGHTS))

    assert [sum(counts[index] for index in group) for group in GROUPS] == pytest.approx([3000] * 3, abs=3)
    assert counts[1] / counts[0] == pytest.approx(3, rel=0.02)
    assert counts[3] / counts[4] == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("each", [Constant(arrival_rate=700), Poisson(kind="poisson", arrival_rate=700)])
def test_workers_the_ledger_and_the_account_of_lost_workers_read_the_same_schedule(each):
    plan = plan_of(each)
    whole = requests_of(plan)

    parts = sorted(request for index in range(3) for request in requests_of(plan, Share(index, 3)))
    assert parts == whole
    assert [number for number, _, _ in whole] == list(range(SEQUENCES, SEQUENCES + len(whole)))
    assert kinds_of(plan, 1, len(whole)).tolist() == [kind for _, _, kind in whole]
    assert due_by_kind(plan, Share(), 1) == np.bincount([kind for _, _, kind in whole]).tolist()


def test_the_order_of_turns_depends_on_the_seed_and_not_on_how_due_times_come():
    due = np.arange(0, 6, 0.001)
    first = schedule.turns(due, 4, SLICE_S, seed=1)
    pieces = np.concatenate([schedule.turns(part, 4, SLICE_S, seed=1) for part in np.array_split(due, 17)])

    assert first.tolist() == pieces.tolist()
    assert first.tolist() != schedule.turns(due, 4, SLICE_S, seed=2).tolist()
