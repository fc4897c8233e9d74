"""Each step names the very place in the YAML that made it so, also where several resources are joined."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bench.commands.explanation import explain_folder
from bench.explain.explain import explain
from bench.explain.request import parse_request
from bench.explain.trace import Hop, Step, Trace
from bench.explain.tree import tree
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry

BOTH = pytest.mark.parametrize("semantics", ["istio-1.0", "current"])
INVENTORY = """
proxies:
  client: {role: sidecar, namespace: default, ip: 10.1.0.5, interception: none}
  egress: {role: gateway, namespace: edge, labels: {istio: egress}, ip: 10.1.0.9, interception: none}
services:
- {name: unrelated, namespace: edge, selector: {a: b}, ports: [{name: http, port: 1}]}
- {name: egress, namespace: edge, selector: {istio: egress}, ports: [{name: http, port: 80}]}
"""
HEAD = "apiVersion: networking.istio.io/v1\n"


def way(text: str, url: str, *headers: str, semantics: str = "current", proxy: str = "client") -> Trace:
    """Explain a request on the resources of *text*."""
    inventory = Inventory.model_validate({"semantics": semantics, **yaml.safe_load(INVENTORY)})
    resources = load_text(text, "in.yaml")
    return explain(build_registry(resources, inventory), resources, parse_request(url, headers), proxy)


def steps_of(hop: Hop) -> Iterator[Step]:
    """Give all steps of a proxy, of its only branch as well."""
    yield from hop.steps
    yield from hop.branches[0].steps


def named(text: str, hop: Hop, kind: str) -> list[tuple[str, str, str]]:
    """Give part, resource and written line of each origin of the first step of that kind."""
    step = next(step for step in steps_of(hop) if step.kind == kind)
    lines = text.splitlines()
    return [(o.part, o.resource, lines[o.position.line - 1].strip()) for o in step.origins]


def beyond(trace: Trace) -> Hop:
    """Give the second proxy."""
    hop = trace.hop.branches[0].hop
    assert hop is not None
    return hop


SERVICE_AND_ENTRY = f"""{HEAD}kind: ServiceEntry
metadata: {{name: secure}}
spec:
  hosts: [web.shop.svc.cluster.local]
  resolution: STATIC
  ports:
  - {{number: 443, name: tls-later, protocol: HTTP}}
  endpoints:
  - {{address: 192.0.2.1}}
  - {{address: 192.0.2.2}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec:
  ports:
  - {{port: 81, name: http-more}}
  - {{port: 80, name: http}}
"""


def test_a_host_of_a_service_and_a_service_entry_is_distinguished_by_port_under_istio_1_0() -> None:
    host = "http://web.shop.svc.cluster.local"
    at_80 = way(SERVICE_AND_ENTRY, f"{host}/", semantics="istio-1.0").hop
    at_443 = way(SERVICE_AND_ENTRY, f"{host}:443/", semantics="istio-1.0").hop

    service = [("service", "Service shop/web", "- {port: 80, name: http}")]
    entry = [("service", "ServiceEntry default/secure", "- {number: 443, name: tls-later, protocol: HTTP}")]
    for kind in ("listener", "filter chain", "route configuration", "virtual host", "route", "cluster"):
        assert named(SERVICE_AND_ENTRY, at_80, kind) == service, kind
        assert named(SERVICE_AND_ENTRY, at_443, kind) == entry, kind
    assert named(SERVICE_AND_ENTRY, at_443, "endpoint") == [
        ("endpoint", "ServiceEntry default/secure", "- {address: 192.0.2.1}"),
        ("endpoint", "ServiceEntry default/secure", "- {address: 192.0.2.2}"),
    ]


def test_a_service_is_the_cause_alone_where_it_takes_the_place_of_the_service_entry() -> None:
    """In its own namespace: a ServiceEntry in the client's namespace would be the one."""
    text = SERVICE_AND_ENTRY.replace("{name: secure}", "{name: secure, namespace: shop}")
    hop = way(text, "http://web.shop.svc.cluster.local:81/").hop

    service = [("service", "Service shop/web", "- {port: 81, name: http-more}")]
    assert named(text, hop, "virtual host") == service
    assert named(text, hop, "cluster") == service


TWO_ENTRIES = f"""{HEAD}kind: ServiceEntry
metadata: {{name: first}}
spec:
  hosts: [api.test]
  resolution: STATIC
  ports:
  - {{number: 80, name: http, protocol: HTTP}}
  endpoints:
  - {{address: 192.0.2.1}}
---
{HEAD}kind: ServiceEntry
metadata: {{name: second}}
spec:
  hosts: [api.test]
  resolution: STATIC
  ports:
  - {{number: 8080, name: more, protocol: HTTP}}
  endpoints:
  - {{address: 192.0.2.2}}
"""


@BOTH
def test_each_of_two_service_entries_of_one_host_answers_for_its_own_port(semantics: str) -> None:
    first = way(TWO_ENTRIES, "http://api.test/", semantics=semantics).hop
    second = way(TWO_ENTRIES, "http://api.test:8080/", semantics=semantics).hop

    for kind in ("listener", "virtual host", "cluster"):
        assert [resource for _, resource, _ in named(TWO_ENTRIES, first, kind)] == [
            "ServiceEntry default/first"
        ]
        assert named(TWO_ENTRIES, second, kind) == [
            ("service", "ServiceEntry default/second", "- {number: 8080, name: more, protocol: HTTP}")
        ]
    assert named(TWO_ENTRIES, first, "endpoint") == [
        ("endpoint", "ServiceEntry default/first", "- {address: 192.0.2.1}")
    ]
    assert named(TWO_ENTRIES, second, "endpoint") == [
        ("endpoint", "ServiceEntry default/second", "- {address: 192.0.2.2}")
    ]


def test_an_endpoint_is_of_the_workload_entry_that_was_selected() -> None:
    text = f"""{HEAD}kind: ServiceEntry
metadata: {{name: api}}
spec:
  hosts: [api.test]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  workloadSelector: {{labels: {{app: api}}}}
---
{HEAD}kind: WorkloadEntry
metadata: {{name: machine}}
spec: {{address: 192.0.2.7, labels: {{app: api}}}}
"""
    ((part, resource, _),) = named(text, way(text, "http://api.test/").hop, "endpoint")
    assert (part, resource) == ("endpoint", "WorkloadEntry default/machine")


THROUGH_THE_GATEWAY = f"""{HEAD}kind: ServiceEntry
metadata: {{name: api}}
spec:
  hosts: [api.test, other.test]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 192.0.2.1, labels: {{v: v1}}}}]
---
{HEAD}kind: Gateway
metadata: {{name: elder, namespace: edge}}
spec:
  selector: {{istio: egress}}
  servers:
  - {{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [other.test]}}
---
{HEAD}kind: Gateway
metadata: {{name: younger, namespace: edge}}
spec:
  selector: {{istio: egress}}
  servers:
  - {{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [api.test]}}
---
{HEAD}kind: VirtualService
metadata: {{name: out}}
spec:
  hosts: [api.test]
  http:
  - route: [{{destination: {{host: egress.edge.svc.cluster.local}}}}]
---
{HEAD}kind: VirtualService
metadata: {{name: narrow, namespace: edge}}
spec:
  hosts: [api.test]
  gateways: [younger]
  http:
  - match: [{{headers: {{want: {{exact: v1}}}}}}]
    route: [{{destination: {{host: api.test}}}}]
---
{HEAD}kind: VirtualService
metadata: {{name: wide, namespace: edge}}
spec: # of the wide one
  hosts: [api.test]
  gateways: [edge/younger]
  http:
  - route: [{{destination: {{host: api.test}}}}] # wide
"""


@BOTH
def test_gateways_that_share_a_port_are_named_and_the_host_is_of_the_one_that_has_it(semantics: str) -> None:
    trace = way(THROUGH_THE_GATEWAY, "http://api.test/", semantics=semantics)
    hop = beyond(trace)

    servers = [resource for _, resource, _ in named(THROUGH_THE_GATEWAY, hop, "listener")]
    assert servers == ["Gateway edge/elder", "Gateway edge/younger"]
    host = named(THROUGH_THE_GATEWAY, hop, "virtual host")
    assert host[0][:2] == ("server", "Gateway edge/younger")
    assert "hosts: [api.test]" in host[0][2]
    assert [each[:2] for each in host[1:]] == [
        ("rule", "VirtualService edge/narrow"),
        ("rule", "VirtualService edge/wide"),
    ]
    assert not any(part == "service" for part, _, _ in host)


@BOTH
def test_of_virtual_services_that_are_joined_at_a_gateway_the_route_names_its_own(semantics: str) -> None:
    narrow = beyond(way(THROUGH_THE_GATEWAY, "http://api.test/", "want: v1", semantics=semantics))
    wide = beyond(way(THROUGH_THE_GATEWAY, "http://api.test/", semantics=semantics))

    assert [each[1] for each in named(THROUGH_THE_GATEWAY, narrow, "route")] == ["VirtualService edge/narrow"]
    ((_, resource, line),) = named(THROUGH_THE_GATEWAY, wide, "route")
    assert resource == "VirtualService edge/wide"
    assert line.endswith("# wide")
    assert named(THROUGH_THE_GATEWAY, wide, "limits") == named(THROUGH_THE_GATEWAY, wide, "route")


def test_the_sidecars_host_is_of_its_rule_and_of_the_service_entry() -> None:
    hop = way(THROUGH_THE_GATEWAY, "http://api.test/").hop

    assert [each[:2] for each in named(THROUGH_THE_GATEWAY, hop, "virtual host")] == [
        ("rule", "VirtualService default/out"),
        ("service", "ServiceEntry default/api"),
    ]


def test_a_service_of_the_inventory_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(THROUGH_THE_GATEWAY)
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    trace = explain_folder(tmp_path, "http://api.test/")

    (origin,) = next(step for step in steps_of(trace.hop) if step.kind == "cluster").origins
    assert (origin.part, origin.resource) == ("service", "Service edge/egress")
    assert INVENTORY.splitlines()[origin.position.line - 1].startswith("- {name: egress,")


POLICIES = f"""{HEAD}kind: ServiceEntry
metadata: {{name: api}}
spec:
  hosts: [api.test]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 192.0.2.1, labels: {{v: v1}}}}]
---
{HEAD}kind: VirtualService
metadata: {{name: out}}
spec:
  hosts: [api.test]
  http:
  - match: [{{uri: {{prefix: /own}}}}]
    route: [{{destination: {{host: api.test, subset: own}}}}]
  - route: [{{destination: {{host: api.test, subset: plain}}}}]
---
{HEAD}kind: DestinationRule
metadata: {{name: elder}}
spec:
  host: api.test
  trafficPolicy: # of all
    tls: {{mode: SIMPLE, caCertificates: /all.crt}}
  subsets:
  - {{name: plain, labels: {{v: v1}}}}
---
{HEAD}kind: DestinationRule
metadata: {{name: younger}}
spec:
  host: api.test
  subsets:
  - name: own
    labels: {{v: v1}}
    trafficPolicy: # of the subset
      tls: {{mode: SIMPLE, caCertificates: /own.crt}}
"""


@BOTH
def test_subset_policy_and_tls_are_of_the_destination_rule_that_has_them(semantics: str) -> None:
    plain = way(POLICIES, "http://api.test/", semantics=semantics).hop
    own = way(POLICIES, "http://api.test/own", semantics=semantics).hop

    elder, younger = "DestinationRule default/elder", "DestinationRule default/younger"
    assert named(POLICIES, plain, "cluster")[1:] == [
        ("subset", elder, "- {name: plain, labels: {v: v1}}"),
        ("policy", elder, "trafficPolicy: # of all"),
    ]
    assert named(POLICIES, own, "cluster")[1:] == [
        ("subset", younger, "- name: own"),
        ("policy", younger, "trafficPolicy: # of the subset"),
    ]
    assert named(POLICIES, plain, "tls") == [("tls", elder, "tls: {mode: SIMPLE, caCertificates: /all.crt}")]
    assert named(POLICIES, own, "tls") == [("tls", younger, "tls: {mode: SIMPLE, caCertificates: /own.crt}")]


def test_a_port_of_the_policy_is_named_before_the_policy_of_all_ports() -> None:
    text = POLICIES.replace(
        "    tls: {mode: SIMPLE, caCertificates: /all.crt}\n",
        "    tls: {mode: SIMPLE, caCertificates: /all.crt}\n    portLevelSettings:\n"
        "    - port: {number: 80}\n      tls: {mode: SIMPLE, caCertificates: /port.crt}\n",
    )
    hop = way(text, "http://api.test/").hop

    assert named(text, hop, "cluster")[-1][2] == "- port: {number: 80}"
    assert named(text, hop, "tls")[0][2] == "tls: {mode: SIMPLE, caCertificates: /port.crt}"


def test_the_tree_does_not_name_the_same_place_again_at_steps_that_follow_from_others() -> None:
    lines = tree(way(THROUGH_THE_GATEWAY, "http://api.test/", "want: v1"), width=200).splitlines()

    def below(start: str) -> str:
        return next(lines[n + 1] for n, line in enumerate(lines) if f"─ {start}" in line)

    assert "service: ServiceEntry default/api" in below("listener")
    assert "─ route configuration" in below("filter chain")
    assert "─ virtual host" in below("route configuration")
    assert "rule: VirtualService default/out" in below("route 1")
    assert "service: Service edge/egress" in below("cluster outbound|80||egress.edge")
