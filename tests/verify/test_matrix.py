"""The second opinion's whole matrix, and the gateway's refusals, on a real path."""

from datetime import UTC, datetime

import pytest

from bench.experiment.faults.routing import _swap_routes
from bench.experiment.instruments import await_logs
from bench.load import Expectation
from bench.load.run import run_load
from bench.measure.trial_plan import TrialPlan, load_plan, stack_target
from bench.measure.trial_result import finished_trial
from bench.preparation import prepare
from bench.result import VerificationLine
from bench.scenario.load import load_scenario
from bench.scenario.traffic import Constant
from bench.verify.diagnosis import remedy_for
from bench.verify.matrix import MATRIX, MatrixCheck
from bench.verify.upstream_tls_controls import verify_gateway
from bench.verify.upstream_tls_expectation import UpstreamChecks
from bench.verify.verifier import Verifier

pytestmark = [pytest.mark.envoy, pytest.mark.nginx, pytest.mark.whole_path]


# The walkthrough's DestinationRule names an authority and no names.
CHECKED = {
    subset: frozenset(
        {UpstreamChecks(f"outbound|443|{subset}|nginx.external.svc.cluster.local", trust=True, names=())}
    )
    for subset in ("v1", "v2")
}


@pytest.fixture(scope="module")
def verifier(pytestconfig, ground):
    loaded = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls")
    return Verifier(prepare(loaded), ground.material)


@pytest.fixture(scope="module")
def check(pytestconfig):
    return MatrixCheck.of(load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls"))


def test_every_call_of_the_matrix_goes_where_the_resources_say(ground, check):
    (line,) = check.verify(ground.stack)

    assert line.passed
    assert line.name == MATRIX
    assert line.got == f"{len(check.cases)}/{len(check.cases)}"
    assert len(check.cases) > 50
    assert check.not_asked == 0


def test_swapped_routes_fail_the_line_and_each_wrong_call_is_reported_in_full(ground, check):
    _swap_routes(ground)
    try:
        for _ in range(40):
            if not check.verify(ground.stack)[0].passed:
                break
        # Once more: the routes may have changed in the middle of that.
        whole, *wrong = check.verify(ground.stack)
    finally:
        ground.heal()

    assert not whole.passed
    assert wrong
    assert all(not line.passed for line in wrong)
    assert any(line.expected == "an answer from nginx01" and "from nginx02" in line.got for line in wrong)
    assert "virtual-service-egress.yaml" in wrong[0].name


def test_the_gateway_refuses_what_it_must_and_says_what_it_does_not_check(ground):
    probed = verify_gateway(ground.stack, ground.parts, ground.scenario, ground.material, CHECKED)
    lines = [each.line for each in probed]

    assert [line for line in lines if not line.passed] == []
    refused = {line.name for line in lines if line.expected == "503 handshake refused"}
    assert refused == {
        f"{subset}, node cert {kind}"
        for subset in ("v1", "v2")
        for kind in ("other-ca", "expired", "not-yet-valid")
    }
    # The walkthrough's DestinationRule names no subjectAltNames.
    assert {line.got for line in lines if "wrong-san" in line.name} == {"200"}


def test_a_gateway_that_trusts_anybody_fails_its_controls_and_says_who_answered(
    ground, verifier, monkeypatch
):
    """The same check on a gateway whose expectation says it verifies, and whose nodes are never wrong."""
    monkeypatch.setattr("bench.verify.upstream_tls_controls._use", lambda *_: None)
    monkeypatch.setattr("bench.verify.upstream_probes._TRIES", 1)

    lines = verifier.probe_gateway(ground.stack, ground.parts, await_logs)

    assert {line.name for line in lines if not line.passed} >= {"v1, node cert expired"}
    cause = next(line.cause for line in lines if line.name == "v1, node cert expired")
    assert (cause.hop, cause.details, cause.fault) == ("nginx01", "via_upstream", "stack")
    assert "service-entry.yaml" in cause.text
    assert all(line.cause is None for line in lines if line.passed)


def test_a_failed_control_of_a_node_says_what_the_node_saw_and_where_it_is_described(ground, verifier):
    line = VerificationLine(
        name="nginx01, certificate of another CA",
        sent="",
        expected="",
        got="",
        node=None,
        passed=False,
        kind="tls-control",
    )

    (looked_into,) = verifier.look_into(ground.stack, [line], await_logs)

    assert looked_into.cause.hop == "nginx01"
    assert looked_into.cause.transport_failure.startswith("FAILED:")
    assert "scenario.yaml:" in looked_into.cause.text
    assert "scenario.yaml:" in remedy_for([looked_into])


def test_the_mixed_in_matrix_is_answered_as_verified_and_reported_as_one(ground, check, tmp_path):
    extra = check.mixable(ground.stack, port=80, weight=2.0)
    plan = TrialPlan("t", "steady", "eds", Constant(arrival_rate=200), 1.0, extra=extra)
    load = load_plan(ground.scenario, plan, stack_target(ground.stack, ground.scenario), "mixed")

    outcome = run_load(load, tmp_path)
    trial = finished_trial(plan, datetime.now(UTC), outcome)

    mixed = next(subset for subset in trial.result.subsets if subset.name == "matrix")
    assert {subset.name for subset in trial.result.subsets} == {"v1", "v2", "matrix"}
    assert (mixed.answered, mixed.failed, mixed.misrouted) == (mixed.due, 0, 0)
    assert 90 <= mixed.due <= 110
    assert mixed.response_time.samples == mixed.due
    assert any(kind.expect.by_proxy for kind in extra)


def test_an_answer_of_a_node_where_a_proxy_must_answer_is_a_misroute(ground, check, tmp_path):
    kinds = check.mixable(ground.stack, port=80, weight=1.0)
    led_on = next(kind for kind in kinds if kind.expect.nodes)
    wrong = led_on.model_copy(update={"expect": Expectation(status=200, by_proxy=True)})
    plan = TrialPlan("t", "steady", "eds", Constant(arrival_rate=50), 0.5)
    load = load_plan(ground.scenario, plan, stack_target(ground.stack, ground.scenario), "proxy")

    outcome = run_load(load.model_copy(update={"requests": (wrong,)}), tmp_path)

    counts = outcome.stages[-1].subsets[0].counts
    assert counts.misrouted == counts.due > 0
