"""An explanation names each decision, the place in the YAML behind it, and why not the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bench.errors import InputError
from bench.explain.connections import Connection
from bench.explain.document import document
from bench.explain.explain import explain
from bench.explain.mermaid import mermaid
from bench.explain.narrow import narrowed
from bench.explain.proxies import Proxies
from bench.explain.request import parse_request
from bench.explain.resources import Sources
from bench.explain.trace import Trace
from bench.explain.tracer import Tracer
from bench.explain.tree import tree
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import Registry, build_registry
from bench.istio.resource import Resources

CASES = Path(__file__).parent / "cases"
SHOP = "http://shop.partners.svc.cluster.local/"


def loaded(case: str, *, change: tuple[str, str] = ("", "")) -> tuple[Registry, Resources]:
    """Load a case, with one text replaced."""
    text = (CASES / case / "input.yaml").read_text().replace(*change)
    inventory = Inventory.model_validate(yaml.safe_load((CASES / case / "inventory.yaml").read_text()))
    resources = load_text(text, "input.yaml")
    return build_registry(resources, inventory), resources


def way(case: str, url: str, *headers: str, method: str = "GET", proxy: str | None = None) -> Trace:
    """Explain one request of a case."""
    registry, resources = loaded(case)
    return explain(registry, resources, parse_request(url, headers, method), proxy)


def test_a_missing_cluster_is_reported_with_its_cause() -> None:
    """The path as written for Istio 1.0, by the rules of today."""
    trace = way("a-service-takes-the-place-of-the-service-entry", SHOP, "want: v1")

    (ending,) = trace.endings()
    assert (ending.proxies, ending.outcome.status, ending.outcome.flags) == (("client", "egress"), 503, "NC")
    cluster = trace.hop.branches[0].hop.branches[0].steps[-1]  # type: ignore[union-attr]
    assert cluster.text == "outbound|443|v1|shop.partners.svc.cluster.local"
    assert "a Kubernetes Service of the same host takes its place" in cluster.notes[0]
    assert "ServiceEntry default/shop (input.yaml:" in cluster.notes[0]


def test_a_route_that_was_passed_over_says_why() -> None:
    trace = way("a-service-takes-the-place-of-the-service-entry", SHOP, "want: v9")

    (ending,) = trace.endings()
    assert (ending.outcome.proxy, ending.outcome.status, ending.outcome.flags) == ("egress", 404, "NR")
    route = trace.hop.branches[0].hop.steps[-1]  # type: ignore[union-attr]
    assert route.notes == ('not route 1: header want is "v9", must be "v1"',)


def test_each_step_names_the_resource_that_caused_it() -> None:
    trace = way("faults-redirects-and-weights", "http://api.example.org/post", method="POST")

    steps = {step.kind: step for step in (*trace.hop.steps, *trace.hop.branches[0].steps)}
    assert [origin.resource for origin in steps["route"].origins] == ["VirtualService default/api"]
    assert [(o.part, o.resource) for o in steps["cluster"].origins] == [
        ("service", "ServiceEntry default/api"),
        ("subset", "DestinationRule default/api"),
    ]
    assert steps["listener"].origins[0].resource == "ServiceEntry default/api"
    line = steps["route"].origins[0].position.line
    written = (CASES / "faults-redirects-and-weights" / "input.yaml").read_text().splitlines()[line - 1]
    assert "method: {exact: POST}" in written


def test_weights_are_probabilities() -> None:
    trace = way("faults-redirects-and-weights", "http://api.example.org/v1/x", "x-tenant: acme")

    assert [(round(e.probability, 4), e.outcome.endpoints[0].address) for e in trace.endings()] == [
        (0.75, "192.0.2.1:80"),
        (0.25, "192.0.2.2:80"),
    ]


def test_faults_are_probabilities_and_carry_their_flags() -> None:
    aborted = way("faults-redirects-and-weights", "http://api.example.org/broken")
    late = way("faults-redirects-and-weights", "http://api.example.org/late")

    assert [(e.probability, e.outcome.status, e.outcome.flags) for e in aborted.endings()] == [
        (1.0, 555, "FI")
    ]
    assert [(e.probability, e.outcome.flags) for e in late.endings()] == [(0.5, "DI"), (0.5, "")]


def test_a_redirect_says_where_to() -> None:
    (ending,) = way("faults-redirects-and-weights", "http://api.example.org/moved?a=1").endings()

    assert (ending.outcome.status, ending.outcome.location) == (302, "http://new.example.org/here?a=1")


def test_an_unknown_host_is_stopped_at_the_sidecar() -> None:
    (ending,) = way("faults-redirects-and-weights", "http://unknown.example.org/").endings()

    assert (ending.outcome.status, ending.outcome.proxy) == (502, "client")
    assert "REGISTRY_ONLY" in ending.outcome.reason


def test_a_port_where_nothing_listens_is_a_refused_connection() -> None:
    (ending,) = way("faults-redirects-and-weights", "http://api.example.org:81/").endings()

    assert ending.outcome.kind == "closed"
    assert "does not listen on port 81, only on 80" in ending.outcome.reason


def test_tls_says_what_of_the_certificate_is_checked() -> None:
    trace = way("tls-that-does-not-fit", "http://secure.example.org/")

    tls = next(step for step in trace.hop.branches[0].steps if step.kind == "tls")
    assert tls.text == "TLS with SNI secure.example.org"
    assert "presents no client certificate" in tls.notes
    assert "its name must be secure.example.org (the Host header)" in tls.notes
    assert tls.origins[0].resource == "DestinationRule default/secure"


def test_a_request_can_start_at_the_gateway() -> None:
    (ending,) = way(
        "a-gateway-that-does-not-know-the-host", "http://forgotten.example.org/", proxy="egress"
    ).endings()

    assert (ending.outcome.status, ending.outcome.flags) == (404, "NR")


def test_an_unknown_proxy_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"no proxy 'nobody'.*client"):
        way("faults-redirects-and-weights", "http://api.example.org/", proxy="nobody")


@pytest.mark.parametrize("width", [60, 100])
def test_the_tree_fits_a_terminal(width: int) -> None:
    text = tree(way("a-service-takes-the-place-of-the-service-entry", SHOP, "want: v1"), width=width)

    longest_word = max(len(word) for word in text.split())
    assert max(map(len, text.splitlines())) <= max(width, longest_word + 20)
    assert text.splitlines()[0] == f"GET {SHOP}"
    assert "=> 503 Service Unavailable NC from egress" in text


def test_json_has_every_ending_and_every_line() -> None:
    parsed = json.loads(
        json.dumps(document(way("a-service-takes-the-place-of-the-service-entry", SHOP, "want: v1")))
    )

    assert parsed["endings"][0]["status"] == 503
    assert parsed["endings"][0]["flags"] == "NC"
    assert parsed["endings"][0]["decided_by"] == "egress"
    origins = [origin for step in parsed["way"]["steps"] for origin in step["origins"]]
    assert all(origin["file"] == "input.yaml" and origin["line"] > 0 for origin in origins)


def test_the_drawing_is_a_flowchart_without_stray_signs() -> None:
    drawn = mermaid(way("faults-redirects-and-weights", "http://api.example.org/v1/x", 'x-tenant: a"b|c<d>'))

    first, *rest = drawn.splitlines()
    assert first == "flowchart LR"
    assert any("75 %" in line for line in rest)
    assert any("x-tenant: a#quot;b#124;c#lt;d#gt;" in line for line in rest)
    assert all(line.count('"') in (0, 2) for line in rest)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
@pytest.mark.parametrize("path", ["/", "/good", "/no-port", "/v1/x"])
def test_leaving_other_hosts_out_changes_nothing(case: str, path: str) -> None:
    """The narrowed registry gives the same way as the whole one."""
    registry, resources = loaded(case)
    hosts = {service.host for service in registry.services} | {"unknown.example.org"}
    for host in sorted(hosts):
        request = parse_request(f"http://{host}{path}", ["x-tenant: a"])
        connection = Connection(80)
        whole = Tracer(Proxies(registry, Sources(resources))).arrive("client", request, connection)
        small = narrowed(registry, request, registry.proxy("client"))
        part = Tracer(Proxies(small, Sources(resources))).arrive("client", request, connection)
        assert list(Trace(request, part).endings()) == list(Trace(request, whole).endings())
