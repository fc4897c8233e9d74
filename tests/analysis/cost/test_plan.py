"""A plan against a cost model whose numbers can be worked out by hand."""

from dataclasses import replace

import pytest
import yaml

from bench.analysis.cost import Window, plan
from bench.analysis.cost.models import gateway_model
from bench.errors import InputError
from bench.result import LabModel
from bench.result.cost import CostModel, CostTerm, MemoryModel, PlanQuestion
from tests.report.synthetic_lab import lab, lab_result

QUESTION = PlanQuestion(
    rate=20_000, new_connections=0.05, resumed=0.9, body_bytes=4_000, cpu_per_pod=2, headroom=0.3, zones=3
)
COSTS = {
    "base": 0.05,
    "request": 100e-6,
    "full_handshake": 4e-3,
    "resumed_handshake": 500e-6,
    "mb_in": 2.5e-3,
}
# A request: 100 + 0.005 · 4,000 + 0.045 · 500 + 0.004 · 2,500 = 152.5 µs; a pod has 1.4 - 0.05 CPUs.
PER_POD = 1.35 / 152.5e-6


def a_model(*, costs=COSTS, factors=(0.95, 1.0, 1.05), ranges=None, never=("mb_out",)):
    return CostModel(
        part="gateway",
        terms=tuple(CostTerm(name=name, cpu_s=value, low=value, high=value) for name, value in costs.items()),
        never=never,
        condition=4.0,
        residuals=(),
        ranges=ranges
        or {
            "request": (100, 10_000),
            "full_handshake": (0, 1),
            "resumed_handshake": (0, 1),
            "mb_in": (0, 0.016),
            "mb_out": (0, 0),
        },
        draws=tuple(tuple(value * factor for value in costs.values()) for factor in factors),
    )


def test_replicas_follow_from_the_cost_of_the_mix():
    found = plan(a_model(), QUESTION)

    assert found.cpu_us_per_request == pytest.approx(152.5)
    assert found.per_pod == pytest.approx(PER_POD)
    assert (found.replicas_low, found.replicas, found.replicas_high) == (3, 3, 3)
    assert found.with_spare == 6
    assert found.hpa_target_percent == 70
    assert found.warnings == ()


def test_the_interval_is_that_of_the_model():
    found = plan(a_model(factors=(0.5, 1.0, 2.0)), QUESTION.model_copy(update={"new_connections": 0}))

    assert found.replicas_low < found.replicas < found.replicas_high


def test_what_breaks_first_comes_first():
    churn = QUESTION.model_copy(update={"new_connections": 1.0, "resumed": 1.0, "cpu_per_pod": 16.0})

    calm = plan(a_model(), QUESTION.model_copy(update={"new_connections": 0.01}))
    busy = plan(a_model(), churn)

    assert calm.walls[0].name == "CPU"
    assert busy.walls[0].name == "local ports"
    assert busy.per_pod == pytest.approx(28_232 / 60)
    assert all(wall.used <= 1 for wall in busy.walls)


@pytest.mark.parametrize(("zones", "spare"), [(1, 4), (2, 6), (3, 6), (4, 4)])
def test_a_zone_may_be_lost(zones, spare):
    found = plan(a_model(), QUESTION.model_copy(update={"zones": zones}))

    assert (found.replicas, found.with_spare) == (3, spare)


def test_what_if_changes_one_thing_at_a_time():
    reported = {row.change: row.replicas for row in plan(a_model(), QUESTION).what_if}

    assert reported["twice the rate"] == 5
    assert reported["every handshake full"] > reported["every handshake resumed"]
    assert reported["no new connections"] <= 3
    assert set(reported) >= {"twice the body", "no headroom", "half the CPU of a pod"}


def test_a_question_outside_of_what_was_measured_is_answered_with_its_distance():
    found = plan(a_model(), QUESTION.model_copy(update={"body_bytes": 64_000}))

    assert len(found.warnings) == 1
    assert "6.4e+04" in found.warnings[0] or "64,000" in found.warnings[0]
    assert "4 times the highest" in found.warnings[0]


def test_the_manifest_can_be_pasted():
    resources, scaler = yaml.safe_load_all(plan(a_model(), QUESTION).yaml)

    assert resources["resources"]["requests"] == resources["resources"]["limits"] == {"cpu": "2000m"}
    assert scaler["kind"] == "HorizontalPodAutoscaler"
    assert scaler["spec"]["minReplicas"] == 6
    assert scaler["spec"]["metrics"][0]["resource"]["target"] == {
        "type": "Utilization",
        "averageUtilization": 70,
    }


@pytest.mark.parametrize(
    ("cpus", "said"),
    [
        (0.55, None),  # 0.05 and 5,000 requests of 100 µs
        (0.49, None),
        (0.40, "used 0.4 CPUs; the cost model says 0.55: near its limit a gateway takes requests in batches"),
        (0.80, "used 0.8 CPUs; the cost model says 0.55: requests cost more there"),
    ],
)
def test_a_model_that_misses_the_search_of_its_own_result_says_so(cpus, said):
    found = plan(a_model(), QUESTION, bound=Window(2.0, 10_000, mb_out=0.2, cpu_s=2 * cpus))

    assert len(found.warnings) == (said is not None)
    assert said is None or said in found.warnings[0]


def test_handshakes_at_the_bound_count_as_what_they_are():
    bound = Window(1.0, 1_000, full_handshakes=100, resumed_handshakes=900, cpu_s=1.0)

    # 0.05 + 0.1 + 0.4 + 0.45 CPUs.
    assert plan(a_model(), QUESTION, bound=bound).warnings == ()
    assert "says 1:" in plan(a_model(), QUESTION, bound=replace(bound, cpu_s=0.5)).warnings[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rate": 0}, "--rate is 0"),
        ({"rate": float("inf")}, "--rate"),
        ({"rate": float("nan")}, "--rate"),
        ({"new_connections": 1.5}, "--new-connections"),
        ({"resumed": -0.1}, "--resumed"),
        ({"cpu_per_pod": 0}, "--cpu-per-pod"),
        ({"headroom": 1}, "--headroom"),
        ({"zones": 0}, "--zones"),
        ({"cpu_per_pod": 0.05}, "an idle gateway uses"),
        ({"rate": 1e15}, "replicas of"),
    ],
)
def test_nonsense_is_refused_with_what_to_give_instead(change, named):
    with pytest.raises(InputError, match=named):
        plan(a_model(), QUESTION.model_copy(update=change))


def test_what_was_never_measured_cannot_be_planned():
    few = {"base": 0.05, "request": 100e-6}
    model = a_model(costs=few, never=("full_handshake", "resumed_handshake", "mb_in", "mb_out"))

    with pytest.raises(InputError, match="knows nothing about full_handshake, resumed_handshake, mb_in"):
        plan(model, QUESTION)
    assert plan(model, QUESTION.model_copy(update={"new_connections": 0, "body_bytes": 0})).replicas == 2


def lab_models(**full_handshakes):
    """A lab's models by key, each with the cost of its full handshake in seconds."""
    return tuple(
        LabModel(
            key=key.replace("_", "-"),
            tls_version="TLSv1.3",
            client_certificate=True,
            model=a_model(costs=COSTS | {"full_handshake": cost}),
        )
        for key, cost in full_handshakes.items()
    )


def test_the_lab_plans_by_the_key_that_is_asked_for_and_else_by_the_dearest():
    found = lab_result(lab(cost_models=lab_models(ecdsa_p256=0.5e-3, rsa_4096=5e-3)))
    churn = QUESTION.model_copy(update={"resumed": 0.0, "new_connections": 1.0})

    replicas = {
        key: plan(gateway_model(found, where="x", key=key), churn).replicas
        for key in ("ecdsa-p256", "rsa-4096", None)
    }

    assert replicas["ecdsa-p256"] < replicas["rsa-4096"] == replicas[None]


def test_a_key_that_the_lab_did_not_measure_is_refused_with_those_that_it_has():
    found = lab_result(lab(cost_models=lab_models(ecdsa_p256=0.5e-3)))

    with pytest.raises(InputError, match=r"did not measure rsa-2048; it has ecdsa-p256"):
        gateway_model(found, where="x", key="rsa-2048")


def test_a_key_means_nothing_to_a_result_of_another_command():
    with pytest.raises(InputError, match="not from the handshake lab"):
        gateway_model(lab_result(None), where="x", key="rsa-2048")


MIB = 1 << 20
# Idle 60 MiB with 20 clusters; a connection takes 64 KiB, a cluster 32 KiB.
MEMORY = {
    "connection": MemoryModel(
        part="egress",
        each="connection",
        base_bytes=8 * MIB,
        bytes_for_each=65_536,
        low=65_536,
        high=65_536,
        most=256,
        resident_bytes=60 * MIB,
    ),
    "cluster": MemoryModel(
        part="egress",
        each="cluster",
        base_bytes=7 * MIB,
        bytes_for_each=32_768,
        low=32_768,
        high=32_768,
        least=20,
        most=420,
    ),
}
ROOMY = QUESTION.model_copy(
    update={"headroom": 0.0, "new_connections": 0.0, "memory_per_pod_bytes": 128 * MIB, "connections": 1_000}
)


def test_memory_can_be_what_takes_more_pods_and_breaks_first():
    # A pod has 128 - 60 MiB for connections of 64 KiB: 1,088 of them.
    few, many = (
        plan(a_model(), ROOMY, MEMORY),
        plan(a_model(), ROOMY.model_copy(update={"connections": 10_880}), MEMORY),
    )

    assert few.replicas < many.replicas == many.replicas_low == 10
    assert many.walls[0].name == "memory"
    assert many.walls[0].used == pytest.approx(1.0)
    assert {row.change: row.replicas for row in many.what_if}["twice the connections"] == 20


def test_clusters_take_of_the_memory_beyond_those_that_were_measured_with():
    # 1,044 clusters more of 32 KiB are 32 MiB more of idle memory.
    found = plan(a_model(), ROOMY.model_copy(update={"connections": 5_440, "clusters": 1_044}), MEMORY)

    assert found.replicas == 10
    assert any("1,044 clusters are beyond what was measured, up to 420" in text for text in found.warnings)


def test_a_pod_is_asked_for_its_memory_only_where_it_is_named():
    found = plan(a_model(), QUESTION)

    assert "memory" not in {wall.name for wall in found.walls}
    assert "memory" not in found.yaml
    assert "memory: 128Mi" in plan(a_model(), ROOMY, MEMORY).yaml


@pytest.mark.parametrize(
    ("change", "models", "named"),
    [
        ({"memory_per_pod_bytes": 64 * MIB, "headroom": 0.3}, MEMORY, "an idle gateway holds 60 MiB"),
        ({"memory_per_pod_bytes": 0}, MEMORY, "--memory-per-pod"),
        ({"memory_per_pod_bytes": None}, MEMORY, "--connections says how much memory"),
        ({"connections": -1}, MEMORY, "--connections"),
        ({"clusters": 0}, MEMORY, "--clusters"),
        ({}, {}, "does not say what a gateway's connection takes"),
        ({"clusters": 50}, {"connection": MEMORY["connection"]}, "does not say what a gateway's cluster"),
    ],
)
def test_a_memory_that_cannot_be_planned_is_refused_with_what_to_give(change, models, named):
    with pytest.raises(InputError, match=named):
        plan(a_model(), ROOMY.model_copy(update=change), models)
