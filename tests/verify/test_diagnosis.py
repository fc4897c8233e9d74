"""Why a call was answered as it was: by whom, in Envoy's words, and whose fault it is."""

from pathlib import Path

import pytest

from bench.explain import Explainer
from bench.preparation import known_certificates, prepare
from bench.result import VerificationLine
from bench.routing.request import Request
from bench.scenario.load import load_scenario
from bench.telemetry.access_log import EnvoyEntry, NodeEntry
from bench.verify.calls import Answer, Call
from bench.verify.diagnosis import Hops, cause_of, remedy_for
from bench.verify.opinions import Opinions

ID = "why/1"
PLAYS = {("192.168.0.63", 443): "nginx01", ("192.168.0.64", 443): "nginx02"}


@pytest.fixture(scope="module")
def scenario():
    return load_scenario(Path("scenarios/egress-mtls"))


@pytest.fixture(scope="module")
def trace(scenario):
    """Where the walkthrough's resources lead ``want: v1``: to what nginx01 plays."""
    prepared = prepare(scenario)
    traffic = scenario.scenario.traffic
    opinions = Opinions(Explainer(prepared.registry, scenario.resources), traffic.client)
    return opinions.trace(Request(traffic.host, traffic.port, headers=(("want", "v1"),)))


def envoy(**values):
    return EnvoyEntry(
        **dict.fromkeys(EnvoyEntry._fields) | {"id": ID, "flags": (), "status": 200, "attempts": 1} | values
    )


def node(name, **values):
    known = {"id": ID, "node": name, "status": 200}
    return NodeEntry(**dict.fromkeys(NodeEntry._fields) | known | values)


def from_node(name, status=200):
    return Answer(status=status, headers={"x-node": name})


def cause(answer, trace, *, sleep=None, egress=None, at=None, right=("nginx01",), plays=PLAYS):
    proxies = {
        name: {ID: entry} for name, entry in (("sleep", sleep), ("egress", egress)) if entry is not None
    }
    return cause_of(
        answer, ID, Hops(proxies, {ID: at} if at is not None else {}), trace, plays=plays, right_nodes=right
    )


BEYOND = envoy(details="via_upstream", upstream="10.0.0.9:80")
REFUSED = envoy(
    status=503,
    details="upstream_reset_before_response_started{connection_failure|TLS_error:CERTIFICATE_VERIFY_FAILED}",
    flags=("UF",),
    failure="TLS_error:CERTIFICATE_VERIFY_FAILED",
    upstream="127.0.0.1:4443",
)


def a_line(cause=None, kind="call"):
    return VerificationLine(
        name="v1", sent="", expected="", got="", node=None, passed=False, kind=kind, cause=cause
    )


def test_a_gateway_that_does_not_trust_its_node_is_named_with_all_that_envoy_says(trace):
    """And the YAML, which leads to that very node, is not blamed."""
    found = cause(Answer(status=503), trace, sleep=BEYOND, egress=REFUSED)

    assert (found.hop, found.flags, found.upstream, found.fault) == (
        "egress",
        "UF",
        "127.0.0.1:4443",
        "stack",
    )
    assert found.text.count("CERTIFICATE_VERIFY_FAILED") == 1
    assert "upstream_reset_before_response_started" in found.text
    assert "istio/" in found.text
    remedy = remedy_for([a_line(found)])
    assert "the YAML need not be at fault" in remedy
    assert "correct the Istio YAML" not in remedy


def test_an_answer_of_the_sidecar_itself_is_the_sidecars(trace):
    found = cause(
        Answer(status=503), trace, sleep=envoy(status=503, details="no_healthy_upstream", flags=("UH",))
    )

    assert (found.hop, found.flags, found.fault) == ("sleep", "UH", "stack")


def test_a_host_that_no_resource_knows_has_no_line(scenario):
    """The listener's is about other hosts."""
    prepared = prepare(load_scenario(Path("scenarios/tls-simple")))
    opinions = Opinions(Explainer(prepared.registry, prepared.loaded.resources), "client")
    unknown = opinions.trace(Request("nowhere.example", 80))
    answered = cause(Answer(status=502), unknown, sleep=envoy(details="direct_response", status=502))

    assert (answered.fault, answered.where) == ("resources", ())
    assert "the host is unknown here" in answered.explanation
    assert "correct the Istio YAML, or the expectation" in remedy_for([a_line(answered)])


def test_a_node_to_which_the_resources_lead_is_their_doing_with_file_and_line(trace):
    found = cause(
        from_node("nginx01"), trace, sleep=BEYOND, egress=BEYOND, at=node("nginx01"), right=("nginx02",)
    )

    assert (found.hop, found.fault) == ("nginx01", "resources")
    assert any("service-entry.yaml:" in place for place in found.where)
    assert f"correct the Istio YAML at {' or '.join(found.where)}" in remedy_for([a_line(found)])


def test_an_endpoint_that_no_node_plays_is_named_and_the_stack_is_not_blamed(trace):
    found = cause(
        Answer(status=503), trace, sleep=BEYOND, egress=REFUSED, plays={("192.0.2.1", 443): "nginx01"}
    )

    assert (found.fault, found.unplayed) == ("unplayed", ("192.168.0.63:443",))
    remedy = remedy_for([a_line(found)])
    assert "192.168.0.63:443" in remedy
    assert "which no node plays" in remedy


def test_a_node_to_which_they_do_not_lead_is_not(trace):
    found = cause(from_node("nginx02"), trace, sleep=BEYOND, egress=BEYOND, at=node("nginx02"))

    assert (found.hop, found.fault) == ("nginx02", "stack")


def test_the_right_node_with_a_wrong_answer_is_the_nodes(trace):
    found = cause(from_node("nginx01", 400), trace, sleep=BEYOND, egress=BEYOND, at=node("nginx01"))

    assert found.fault == "node"
    assert "the Istio YAML leads there correctly" in remedy_for([a_line(found)])


def test_a_client_certificate_that_the_right_node_refuses_is_named_with_the_lines_behind_it(trace):
    refusal = {"client_verify": "FAILED:unable to verify the first certificate", "client_subject": "CN=other"}
    at = node("nginx01", **refusal)
    found = cause(from_node("nginx01", 400), trace, sleep=BEYOND, egress=BEYOND, at=at)

    remedy = remedy_for([a_line(found)])

    assert (found.hop, found.fault) == ("nginx01", "node")
    assert found.transport_failure == "FAILED:unable to verify the first certificate (CN=other)"
    assert f"refuses the client certificate that the path presents ({found.transport_failure})" in remedy
    assert all(each in remedy for each in found.where)


def test_a_node_that_asks_for_no_certificate_misses_none(trace):
    """Its log says NONE, too: what is wrong with its answer is another thing."""
    at = node("nginx01", client_verify="NONE")
    found = cause(from_node("nginx01", 400), trace, sleep=BEYOND, egress=BEYOND, at=at)

    assert (found.client_certificate, found.transport_failure) == ("", "")


def test_a_request_that_nothing_saw_says_so(trace):
    assert "no part has seen the request" in cause(Answer(error="refused"), trace).text


def test_controls_and_what_was_not_looked_into_blame_nothing():
    assert "correct" not in remedy_for([a_line(kind="tls-control")])
    assert "correct" not in remedy_for([a_line()])


def test_a_call_gets_its_id_beside_its_own_headers():
    assert Call("http://x", headers={"a": "b"}).with_header("i", "1").headers == {"a": "b", "i": "1"}
    assert Call("http://x", exactly=(("A", "b"),)).with_header("i", "1").exactly == (("A", "b"), ("i", "1"))


def test_what_a_nodes_certificate_bears_is_known_from_the_scenario(scenario):
    known = known_certificates(scenario.scenario, scenario.registry(), scenario.folder)

    assert set(known) == {f"{host}:{port}" for host, port in PLAYS}
    assert known["192.168.0.63:443"].owner == "the node nginx01"
