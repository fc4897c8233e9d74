"""References that lead nowhere are found, by the same rules for `run` and `check`."""

from __future__ import annotations

import pytest

from bench.check.rules.dead_references import dead_references
from bench.check.rules.surroundings import Surroundings
from bench.istio.inventory import Inventory
from bench.istio.load import load_text

GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: edge}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80, name: http}]}
---
"""
RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: dr-{n}, namespace: {namespace}}}
spec: {{host: '{host}', subsets: [{{name: v1}}, {{name: v2}}]}}
---
"""


def virtual_service(spec: str) -> str:
    indented = "\n".join("  " + line for line in spec.splitlines())
    return (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        f"metadata: {{name: web, namespace: shop}}\nspec:\n{indented}\n"
    )


def dangling(text: str, inventory: Inventory | None = None) -> list[str]:
    return [str(found) for found in dead_references(Surroundings(load_text(text, "f.yaml"), inventory))]


@pytest.mark.parametrize("reference", ["edge/out", "out.edge", "out.edge.svc.cluster.local", "mesh"])
def test_a_gateway_that_exists_is_found_under_each_form_of_its_name(reference: str) -> None:
    text = GATEWAY + virtual_service(
        f"hosts: [web]\ngateways: [{reference}]\nhttp: [{{route: [{{destination: {{host: web}}}}]}}]"
    )

    assert dangling(text) == []


@pytest.mark.parametrize("reference", ["out", "edge/uot", "other/out"])
def test_a_gateway_that_does_not_exist_is_named_with_its_line(reference: str) -> None:
    text = GATEWAY + virtual_service(
        f"hosts: [web]\ngateways:\n- mesh\n- {reference}\nhttp: [{{route: [{{destination: {{host: web}}}}]}}]"
    )

    (problem,) = dangling(text)

    assert problem.startswith("f.yaml:13: error IST0101 VirtualService shop/web: there is no Gateway")
    assert problem.endswith(("Write edge/out.", "Write the name of a Gateway as namespace/name, or mesh."))


def test_gateways_of_matches_are_looked_at_too() -> None:
    text = GATEWAY + virtual_service(
        "hosts: [web]\ngateways: [edge/out]\n"
        "http:\n- match: [{gateways: [edge/in]}]\n  route: [{destination: {host: web}}]\n"
        "tcp:\n- match: [{gateways: [edge/out]}]\n  route: [{destination: {host: web}}]\n"
    )

    (problem,) = dangling(text)

    assert problem.startswith("f.yaml:13: warning EB0015")
    assert "there is no Gateway edge/in" in problem


@pytest.mark.parametrize(
    ("namespace", "host"),
    [
        ("shop", "web"),
        ("edge", "web.shop.svc.cluster.local"),
        ("edge", "WEB.shop.svc.cluster.local"),
        ("edge", "*.svc.cluster.local"),
    ],
)
def test_a_subset_is_found_in_every_rule_that_applies_to_the_host(namespace: str, host: str) -> None:
    text = RULE.format(n=1, namespace=namespace, host=host) + virtual_service(
        "hosts: [web]\nhttp: [{route: [{destination: {host: web, subset: v2}}]}]"
    )

    assert dangling(SERVICE + text) == []


def test_a_subset_of_another_host_does_not_count() -> None:
    text = RULE.format(n=1, namespace="edge", host="web") + virtual_service(
        "hosts: [web]\nhttp: [{route: [{destination: {host: web, subset: v2}}]}]"
    )

    (problem,) = dangling(text)

    assert 'the subset "v2" of "web", which no DestinationRule defines' in problem
    assert problem.endswith("Add the subset to a DestinationRule with host web, or leave it out here.")


def test_every_place_that_can_name_a_subset_is_looked_at() -> None:
    text = RULE.format(n=1, namespace="shop", host="web") + virtual_service(
        "hosts: [web.shop.svc.cluster.local]\n"
        "http:\n"
        "- route:\n  - {destination: {host: web, subset: v1}}\n"
        "  - {destination: {host: web, subset: v3}, weight: 1}\n"
        "  mirror: {host: web, subset: v4}\n"
        "- route: [{destination: {host: web}}]\n"
        "  mirrors: [{destination: {host: web, subset: v5}}]\n"
        "tls:\n"
        "- match: [{sniHosts: [web.shop.svc.cluster.local]}]\n"
        "  route: [{destination: {host: web, subset: v6}}]\n"
        "tcp:\n"
        "- route: [{destination: {host: web, subset: v7}}]\n"
    )

    problems = dangling(text)

    assert [problem.split('"')[1] for problem in problems] == ["v7", "v6", "v3", "v4", "v5"]


def test_a_delegate_that_does_not_exist_is_named() -> None:
    text = virtual_service("hosts: [web]\nhttp: [{delegate: {name: leaf}}]")
    leaf = virtual_service("http: [{route: [{destination: {host: web}}]}]").replace("web,", "leaf,")

    (problem,) = dangling(text)
    assert "there is no VirtualService shop/leaf" in problem
    assert dangling(text + "---\n" + leaf) == []


def test_a_rule_of_a_namespace_where_no_client_looks_does_not_count() -> None:
    host = "api.example.org"
    text = RULE.format(n=1, namespace="edge", host=host) + virtual_service(
        f"hosts: [{host}]\nhttp: [{{route: [{{destination: {{host: {host}, subset: v2}}}}]}}]"
    )

    (problem,) = dangling(text)
    assert "DestinationRule edge/dr-1 does" in problem
    assert dangling(text, Inventory(semantics="istio-1.0", proxies={})) == []
