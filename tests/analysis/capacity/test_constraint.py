"""What limits is named right: one setup for each constraint, and for those that hide behind another."""

import json
from pathlib import Path

import pytest

from bench.analysis.capacity import Setup, find_constraints, gateway_alone
from bench.analysis.capacity_verdict import is_of_gateway, outcome_of
from bench.result import (
    CapacityResult,
    CapacityTrial,
    CapacityWindow,
    ComponentCost,
    Constraint,
    LaneUse,
    MachineUse,
    MemoryUse,
    PortsTaken,
)

SETUP = Setup(workers={"sleep": 2, "egress": 2}, quotas={}, connections=16)
CALM = MachineUse(ours_share=0.3, others_share=0.02, idle_share=0.65, steal_share=0.0)
FULL = MachineUse(ours_share=0.93, others_share=0.02, idle_share=0.03, steal_share=0.0)
TAKEN = MachineUse(ours_share=0.45, others_share=0.5, idle_share=0.03, steal_share=0.0)


def cost(component, role, cpus, requests=10_000, seconds=10.0, **more):
    return ComponentCost(
        component=component,
        role=role,
        cpu_seconds=cpus * seconds,
        cpu_us_per_request=cpus * seconds * 1e6 / requests,
        memory_bytes=None,
        **more,
    )


def a_window(*, sidecar=0.5, egress=0.6, node=0.2, quota=None, **changes):
    throttled = {} if quota is None else {"cpu_periods": 100, "throttled_periods": quota, "throttled_s": 1.5}
    values = {
        "rate": 1_000,
        "duration_s": 10.0,
        "sent": 10_000,
        "costs": (
            cost("sleep", "sidecar", sidecar),
            cost("egress", "egress", egress, **throttled),
            cost("nginx01", "node", node),
        ),
        "generator_share": 0.4,
        "machine": CALM,
        "worker_connections": (8, 8),
        "mean_in_flight": 3.0,
        **changes,
    }
    return CapacityWindow(**values)


def lane(ran, waited, number=0):
    return LaneUse(component="egress", lane=f"worker_{number}", ran_share=ran, waited_share=waited)


def memory(used, refused, killed=0):
    return MemoryUse(limit_bytes=100 << 20, used_bytes=used << 20, refused=refused, killed=killed)


PORTS = {"egress": PortsTaken(address="10.0.0.1:443", used=98, available=100)}


@pytest.mark.parametrize(
    ("window", "code", "evidence"),
    [
        (a_window(generator_share=0.97), "generator", "97%"),
        (a_window(egress=1.9), "gateway-worker-cpu", "egress used 95% of the 2 CPUs"),
        (a_window(sidecar=1.8), "sidecar-cpu", "sleep used 90% of the 2 CPUs"),
        (a_window(node=0.99), "node-cpu", "nginx01 used 99% of the 1 CPU that"),
        (a_window(quota=60), "cpu-quota", "throttled it in 60 of 100 periods"),
        (a_window(egress=1.05, worker_connections=(15, 1)), "one-gateway-worker", "15 of 16 connections"),
        (
            a_window(overflows={"egress": 900, "sleep": 0}),
            "circuit-breaker",
            "egress refused 900 requests (UO)",
        ),
        (a_window(reasons={"no-local-port": 12}), "ports", "12 connections"),
        (a_window(machine=FULL), "machine", "93% of them used by this run"),
        (a_window(machine=TAKEN), "machine-disturbed", "others used 50%"),
        (a_window(egress=1.9, handshakes=9_000), "tls-handshakes", "900 TLS handshakes/s, 0.90 for each"),
        (a_window(node=0.99, handshakes=9_000), "tls-handshakes", "nginx01 used 99%"),
        (a_window(queued={"egress": 400}), "connection-pool", "400 times a request found no connection"),
        (a_window(ports=PORTS, connect_failures={"egress": 7}), "ports", "98 of 100 local ports towards"),
        (a_window(memory={"egress": memory(99, 3)}), "memory", "memory limit of 100 MiB"),
        (a_window(memory={"egress": memory(40, 3, killed=1)}), "memory", "ended 1 of its processes"),
        (a_window(mean_in_flight=15.8), "client-connections", "15.8 of the client's 16"),
        (a_window(), "unknown", "no part was near a watched limit"),
    ],
)
def test_each_constraint_is_named_with_its_evidence(window, code, evidence):
    found = find_constraints(window, SETUP)

    assert found[0].code == code
    assert evidence in found[0].evidence
    assert len(found) == 1


def test_a_quota_comes_before_the_connections_that_wait_for_it():
    found = find_constraints(a_window(quota=80, mean_in_flight=16.0), SETUP)

    assert [each.code for each in found] == ["cpu-quota", "client-connections"]


def test_a_gateway_that_fills_its_quota_is_measured_against_the_quota():
    window = a_window(egress=0.48)
    half = Setup(workers=SETUP.workers, quotas={"egress": 0.5}, connections=16)

    (found,) = find_constraints(window, half)
    assert (found.code, found.part) == ("cpu-quota", "egress")
    assert "96% of the 0.5 CPU that it can use, by its CPU limit" in found.evidence
    assert gateway_alone(window, half) == pytest.approx(0.5 / 480e-6)


def test_a_full_quota_that_also_throttled_is_named_once():
    half = Setup(workers=SETUP.workers, quotas={"egress": 0.5}, connections=16)

    (found,) = find_constraints(a_window(egress=0.48, quota=60), half)

    assert (found.code, "throttled" in found.evidence) == ("cpu-quota", True)


def test_a_full_memory_limit_that_was_never_hit_again_and_open_ports_are_no_limits():
    window = a_window(memory={"egress": memory(100, 0)}, ports=PORTS)

    assert [each.code for each in find_constraints(window, SETUP)] == ["unknown"]


def test_pools_that_open_their_connections_once_are_not_about_handshakes():
    found = find_constraints(a_window(egress=1.9, handshakes=40, sent=100), SETUP)

    assert found[0].code == "gateway-worker-cpu"


def test_one_busy_thread_of_two_is_named_by_the_scheduler_alone():
    threads = (lane(0.97, 0.01), lane(0.08, 0.0, 1))
    short = (lane(0.25, 0.7), lane(0.02, 0.1, 1))

    full = find_constraints(a_window(lanes=threads, worker_connections=()), SETUP)
    waiting = find_constraints(a_window(lanes=short, worker_connections=(), machine=TAKEN), SETUP)

    assert (full[0].code, full[0].part, round(full[0].share, 2)) == ("one-gateway-worker", "egress", 0.97)
    assert [each.code for each in waiting] == ["machine-disturbed", "one-gateway-worker"]


def test_a_worker_that_is_kept_waiting_is_the_machines_affair_and_reported_with_its_share():
    """Two cores for all parts: none of them is full, and none gets what it wants."""
    use = MachineUse(ours_share=0.84, others_share=0.02, idle_share=0.14, steal_share=0.0)

    found = find_constraints(a_window(lanes=(lane(0.5, 0.45),), machine=use), SETUP)

    assert [each.code for each in found] == ["machine", "gateway-worker-cpu"]
    assert "all parts compete for the same processors: 84% of them used by this run" in found[0].evidence
    assert "wanted a CPU for 95% of the time and got one for 50%" in found[1].evidence


def test_a_full_worker_comes_before_the_queues_that_it_makes():
    window = a_window(egress=1.9, queued={"egress": 400}, overflows={"egress": 90}, mean_in_flight=16.0)

    codes = [each.code for each in find_constraints(window, SETUP)]

    assert codes == ["gateway-worker-cpu", "circuit-breaker", "connection-pool", "client-connections"]


def test_what_came_nearest_is_reported_where_nothing_was_at_its_end():
    found = find_constraints(a_window(lanes=(lane(0.4, 0.3),)), SETUP)

    assert found[0].code == "unknown"
    assert found[0].evidence.endswith("the busiest was worker_0 of egress, 70%")


def test_an_even_gateway_is_not_called_uneven():
    found = find_constraints(a_window(egress=1.9, worker_connections=(9, 7)), SETUP)

    assert [each.code for each in found] == ["gateway-worker-cpu"]


def test_unknown_costs_are_no_constraint_and_no_capacity():
    window = a_window(costs=(), machine=None, generator_share=None, mean_in_flight=None)

    assert find_constraints(window, SETUP)[0].code == "unknown"
    assert gateway_alone(window, SETUP) is None


def a_result(*constraints, state="found", **changes):
    values = {
        "limit": "99 % of the requests within 50 ms",
        "config_source": "static",
        "lowest": 10,
        "highest": 9_000,
        "width": 0.01,
        "state": state,
        "lower": 990.0,
        "upper": 1_000.0,
        "soaked": True,
        "constraints": constraints,
        "gateway_alone": 2_345.0,
        **changes,
    }
    return CapacityResult(**values)


def test_a_bound_of_the_machine_is_reported_as_none_of_the_gateway():
    found = a_result(*find_constraints(a_window(machine=FULL), SETUP))

    state, sentence = outcome_of(found)

    assert state == "passed"
    assert not is_of_gateway(found)
    assert "not a capacity of the gateway, which by its CPU would carry 2,345" in sentence


def test_a_bound_of_the_gateway_is_its_capacity():
    found = a_result(*find_constraints(a_window(egress=1.9), SETUP))

    state, sentence = outcome_of(found)

    assert state == "passed"
    assert is_of_gateway(found)
    assert "no capacity" not in sentence


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("generator-limited", "generator-limited"),
        ("nothing good", "limit missed"),
        ("at least", "passed"),
        ("out of budget", "nothing proven"),
        (None, "nothing proven"),
    ],
)
def test_every_end_of_a_search_has_its_outcome(state, outcome):
    assert outcome_of(a_result(state=state))[0] == outcome


def test_a_disturbed_machine_proves_nothing():
    assert outcome_of(a_result(*find_constraints(a_window(machine=TAKEN), SETUP)))[0] == "machine disturbed"


READINGS = Path(__file__).with_name("readings")
SURROUNDINGS = {"machine", "machine-disturbed"}


@pytest.mark.parametrize("path", sorted(READINGS.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_readings_of_constrained_setups_are_judged_right(path):
    """Written by `make benchmark-limits RECORD=…` on two cores that others used, too: these come first."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    window = CapacityWindow.model_validate(recorded["window"])
    setup = Setup(**recorded["setup"])

    found = find_constraints(window, setup)

    first = next(each for each in found if each.code not in SURROUNDINGS)
    assert first.code == path.stem
    assert first.part in {recorded["part"], first.part if recorded["part"] is None else None}


def a_trial(rate, *, good):
    return CapacityTrial(
        rate=rate,
        duration_s=1,
        purpose="halve",
        good=good,
        why="",
        loss=0,
        due=1,
        bad=0,
        misrouted=0,
        slow=0,
        response_time_p50=None,
        response_time_p99=None,
    )


def test_a_search_without_budget_reports_what_is_certain_what_was_too_much_and_what_limited():
    trials = (
        a_trial(990, good=True),
        a_trial(1_100, good=False),
        a_trial(1_100, good=True),
        a_trial(2_000, good=False),
    )
    found = a_result(
        Constraint(code="machine", evidence="all compete"), state="out of budget", upper=None, trials=trials
    )

    state, sentence = outcome_of(found)

    assert state == "nothing proven"
    assert "990 requests/s met it so far, a soak included, 1,100 did not in 1 of 2 trials." in sentence
    assert "What limited there is the whole machine: all compete." in sentence
    assert "by its CPU would carry 2,345 requests/s." in sentence
