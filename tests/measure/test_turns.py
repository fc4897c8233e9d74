"""One load over several stacks: what each is sent, and what of the outcome is its own."""

import pytest

from bench.load import LoadPlan, RequestKind, Stage, Target
from bench.measure.turns import can_share, in_turns, share_of
from bench.scenario import Connections, Traffic
from bench.scenario.traffic import Closed, Constant, Poisson
from tests.support.fake_generator import FakeGenerator


def plan_of(port, *names, count=16):
    return LoadPlan(
        run_id="r",
        target=Target(address="127.0.0.1", port=port, host="h"),
        requests=tuple(RequestKind(name=name, path=f"/{port}") for name in names),
        stages=(
            Stage(name="warm-up", kind="warm_up", duration_s=0.3, schedule=Constant(arrival_rate=100)),
            Stage(name="measure", kind="measure", duration_s=2.0, schedule=Constant(arrival_rate=100)),
        ),
        connections=Connections(count=count),
    )


def test_each_stack_gets_the_load_that_it_would_get_alone():
    plans = {"A": plan_of(1, "v1", "v2"), "A again": plan_of(2, "v1", "v2"), "B": plan_of(3, "v1")}
    whole = in_turns(plans, seed=7)

    assert [whole.target_of(kind).port for kind in whole.requests] == [1, 1, 2, 2, 3]
    assert len({kind.name for kind in whole.requests}) == 5
    assert whole.turns.groups == ((0, 1), (2, 3), (4,))
    assert [stage.duration_s for stage in whole.stages] == pytest.approx([0.9, 6.0])
    assert {stage.schedule.arrival_rate for stage in whole.stages} == {100}
    assert whole.connections.count == 48
    rounds = 6.0 / (3 * whole.turns.slice_s)
    assert rounds == pytest.approx(round(rounds)), "as many turns for each"


@pytest.mark.parametrize(("wanted", "given"), [(0.05, 0.05), (0.07, 2.0 / 29), (5.0, 0.3)])
def test_a_turn_is_about_as_long_as_asked_for_and_no_longer_than_a_stage(wanted, given):
    found = in_turns({"A": plan_of(1, "v1"), "B": plan_of(2, "v1")}, seed=1, slice_s=wanted).turns.slice_s

    assert found == pytest.approx(given, rel=0.05)


def test_the_outcome_is_parted_without_rest():
    plans = {"A": plan_of(1, "v1", "matrix: a", "matrix: b"), "A again": plan_of(2, "v1")}

    def misrouted(plan, stage):
        return {"misrouted": 2}

    outcome = FakeGenerator(changes=misrouted)(in_turns(plans, seed=1), None)
    parts = {name: share_of(outcome, name, 2) for name in plans}

    assert [each.name for each in parts["A"].stages[1].subsets] == ["v1", "matrix: a", "matrix: b"]
    assert [each.name for each in parts["A again"].stages[1].subsets] == ["v1"]
    for number, stage in enumerate(outcome.stages):
        own = [part.stages[number] for part in parts.values()]
        assert sum(s.counts.due for each in own for s in each.subsets) == stage.intended
        assert sum(each.intended for each in own) == stage.intended
        assert sum(each.duration_s for each in own) == pytest.approx(stage.duration_s)
        assert all(s.counts.misrouted == 2 for each in own for s in each.subsets)
    assert all(part.complete for part in parts.values())


@pytest.mark.parametrize(
    ("change", "shares"),
    [
        ({}, True),
        ({"schedule": Constant(arrival_rate=2)}, False),
        ({"connections": Connections(count=3)}, False),
        ({"measure_s": 1.0}, False),
        ({"warm_up_s": 9.0}, False),
        ({"workers": 2}, False),
    ],
)
def test_only_equal_loads_are_shared(change, shares):
    traffic = Traffic.model_validate(
        {
            "client": "sleep",
            "url": "http://a.example/",
            "requests": {"v1": {"expect": {"nodes": ["n"]}}},
            "schedule": {"kind": "constant", "arrival_rate": 100},
        }
    )

    assert can_share([traffic, traffic.model_copy(update=change)]) is shares
    assert can_share([traffic.model_copy(update={"schedule": Poisson(kind="poisson", arrival_rate=5)})] * 2)
    assert not can_share([traffic.model_copy(update={"schedule": Closed(kind="closed")})] * 2)
