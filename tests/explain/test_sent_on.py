"""Where connections go that no endpoint decides: to what the client dialled, or to the host that it names."""

from __future__ import annotations

import pytest

from bench.explain import Cause, parse_request
from bench.explain.explain import explain
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry

HEAD = "apiVersion: networking.istio.io/v1\n"
INVENTORY = Inventory.model_validate({"proxies": {"client": {"role": "sidecar", "ip": "10.1.0.5"}}})


def entry(host: str, resolution: str, ports: str) -> str:
    return f"""{HEAD}kind: ServiceEntry
metadata: {{name: far}}
spec: {{hosts: ["{host}"], location: MESH_EXTERNAL, resolution: {resolution}, ports: [{ports}]}}
---
"""


def sent(text: str, url: str, *headers: str) -> tuple[Cause, list[str]]:
    resources = load_text(text, "far.yaml")
    trace = explain(build_registry(resources, INVENTORY), resources, parse_request(url, headers))
    (ending,) = trace.endings()
    return ending.outcome.cause, [each.address for each in ending.outcome.endpoints]


HTTP = "{number: 80, name: http, protocol: HTTP}"
TLS = "{number: 443, name: tls, protocol: TLS}"


def test_resolution_none_names_the_address_where_the_client_dials_one():
    elsewhere = "{number: 80, name: http, protocol: HTTP, targetPort: 8080}"
    text = entry("far.example", "NONE", elsewhere)

    assert sent(text, "http://198.51.100.7/", "Host: far.example") == (
        Cause.PASSED_ON,
        ["198.51.100.7:8080"],
    )
    assert sent(text, "http://far.example/") == (
        Cause.PASSED_ON,
        ["wherever the client meant it to go, port 8080"],
    )


def test_tls_around_the_clients_own_is_said_of_what_it_dials_too():
    rule = f"""{HEAD}kind: DestinationRule
metadata: {{name: far}}
spec: {{host: far.example, trafficPolicy: {{tls: {{mode: SIMPLE}}}}}}
"""
    cause, _ = sent(entry("far.example", "NONE", TLS) + rule, "https://198.51.100.7/", "Host: far.example")

    assert cause is Cause.DOUBLE_TLS


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://a.far.example/", "a.far.example:80"),
        ("http://a.far.example/x?y=z", "a.far.example:80"),
        ("https://a.far.example/", "a.far.example:443"),
    ],
)
def test_dynamic_dns_names_the_host_that_is_asked_for(url: str, address: str):
    assert sent(entry("*.far.example", "DYNAMIC_DNS", f"{HTTP}, {TLS}"), url) == (Cause.PASSED_ON, [address])


def test_without_its_filter_a_server_name_is_looked_up_for_port_80():
    """A rule takes the place of the chain that has it; so on Envoy 1.40."""
    rule = f"""{HEAD}kind: VirtualService
metadata: {{name: far}}
spec:
  hosts: ["*.far.example"]
  tls:
  - match: [{{port: 443, sniHosts: ["*.far.example"]}}]
    route: [{{destination: {{host: "*.far.example", port: {{number: 443}}}}}}]
"""
    text = entry("*.far.example", "DYNAMIC_DNS", TLS) + rule

    assert sent(text, "https://a.far.example/") == (Cause.PASSED_ON, ["a.far.example:80"])
