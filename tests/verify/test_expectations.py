"""What controls and matrix expect follows from the resources; and no opinion is trusted alone."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.explain import Explainer
from bench.preparation import prepare
from bench.routing.decision import Branch, Decision, LocalAnswer
from bench.routing.request import Request
from bench.scenario import host_of
from bench.scenario.load import load_scenario
from bench.verify.matrix import MatrixCheck
from bench.verify.opinions import Opinions, warnings_of
from bench.verify.path_calls import path_requests, request_call
from bench.verify.upstream_tls_expectation import UpstreamChecks, upstream_checks

WRONG_KINDS = ("other-ca", "expired", "not-yet-valid", "wrong-san")


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree("scenarios/egress-mtls", tmp_path / "scenario"))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def checks_of(folder, **headers):
    """What the gateway checks for a request of the walkthrough with these headers."""
    loaded = load_scenario(folder)
    prepared = prepare(loaded)
    traffic = loaded.scenario.traffic
    explainer = Explainer(prepared.registry, loaded.resources)
    request = Request(traffic.host, traffic.port, headers=tuple(headers.items()))
    return upstream_checks(explainer, Opinions(explainer, traffic.client).trace(request), traffic.gateway)


def refused(checks):
    (found,) = checks
    return {kind for kind in WRONG_KINDS if not found.accepts(kind)}


CA = "caCertificates: /etc/nginx-certs/ca.crt"


@pytest.mark.parametrize(
    ("semantics", "more", "expected"),
    [
        ("istio-1.0", "", {"other-ca", "expired", "not-yet-valid"}),
        ("istio-1.0", "\n      subjectAltNames: [nginx.external]", set(WRONG_KINDS)),
        ("istio-1.0", "\n      subjectAltNames: [wrong.invalid]", {"other-ca", "expired", "not-yet-valid"}),
    ],
    ids=["names are not checked", "a name is demanded", "the wrong name is the one demanded"],
)
def test_what_the_gateway_refuses_follows_from_the_names_that_it_demands(folder, semantics, more, expected):
    rule = next(path for path in (folder / "istio").glob("*.yaml") if "caCertificates" in path.read_text())
    text = rule.read_text()
    line = next(line for line in text.splitlines() if "caCertificates" in line)
    indent = " " * (len(line) - len(line.lstrip()))
    rule.write_text(text.replace(line, f"{line}{more.replace(chr(10) + '      ', chr(10) + indent)}"))

    assert refused(checks_of(folder, want="v1")) == expected


def test_without_a_ca_nothing_is_refused_and_each_group_of_names_counts():
    assert all(UpstreamChecks("any", trust=False, names=()).accepts(kind) for kind in WRONG_KINDS)
    both = UpstreamChecks("any", trust=True, names=(("wrong.invalid",), ("shop.example",)))
    assert not both.accepts("wrong-san")


def test_a_request_that_no_gateway_hands_to_a_node_has_no_checks(folder):
    assert checks_of(folder, want="nothing-like-it") == frozenset()


# --- two opinions


@pytest.fixture(scope="module")
def opinions():
    loaded = load_scenario(Path("scenarios/egress-mtls"))
    prepared = prepare(loaded)
    explainer = Explainer(prepared.registry, loaded.resources)
    return MatrixCheck.of(loaded), Opinions(explainer, loaded.scenario.traffic.client)


def test_the_two_agree_about_the_whole_matrix_of_the_shipped_scenario(opinions):
    matrix, asked = opinions

    assert len(matrix.cases) > 50
    assert [found for case in matrix.cases if (found := asked.contradiction(case))] == []


def test_where_they_differ_both_reasons_are_reported_as_a_defect_of_ours_and_the_call_is_left_out(opinions):
    matrix, asked = opinions
    case = matrix.cases[0]
    wrong = LocalAnswer(418, "sleep", "somebody believes so")
    lying = replace(case, decision=Decision((Branch(case.decision.branches[0].probability, wrong, ()),)))

    found = asked.contradiction(lying)
    (warning,) = warnings_of([found])

    assert "418 from sleep (somebody believes so)" in warning.message
    assert found.explanation in warning.message
    assert "defect of egress-bench and not of your YAML" in warning.advice
    left = matrix.without({case.name})
    assert case.name not in {each.name for each in left.cases}
    assert left.not_asked == matrix.not_asked + len(matrix.cases) - len(left.cases)
    assert warnings_of([]) == ()


# --- a Host header in a subset


@pytest.mark.parametrize("name", ["Host", "host", "HOST"])
def test_a_host_header_of_a_subset_is_the_host_and_is_sent_once(folder, name):
    path = folder / "scenario.yaml"
    edit(path, "want: v1", f"want: v1, {name}: other.example")
    scenario = load_scenario(folder).scenario
    request = next(path_requests(scenario))
    call = request_call(scenario.traffic.mix[0], "http://127.0.0.1:1")

    assert request.host == "other.example"
    assert [key for key in request.headers if key.lower() == "host"] == []
    assert [value for key, value in call.headers.items() if key.lower() == "host"] == ["other.example"]
    assert host_of({"a": "b"}, "x") == ("x", {"a": "b"})
