"""References that lead nowhere are found, with Istio's rules for short names."""

from __future__ import annotations

import pytest

from bench.istio.load import load_text
from bench.istio.naming import resolve_gateway, resolve_host
from bench.istio.references import find_dangling

GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: edge}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
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


def dangling(text: str) -> list[str]:
    return [str(problem) for problem in find_dangling(load_text(text, "f.yaml"))]


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

    assert problem.startswith("f.yaml:13: VirtualService shop/web: spec.gateways[1]: there is no Gateway")
    assert problem.endswith(("Did you mean edge/out?", "There is edge/out."))


def test_gateways_of_matches_are_looked_at_too() -> None:
    text = GATEWAY + virtual_service(
        "hosts: [web]\ngateways: [edge/out]\n"
        "http:\n- match: [{gateways: [edge/in]}]\n  route: [{destination: {host: web}}]\n"
        "tcp:\n- match: [{gateways: [edge/out]}]\n  route: [{destination: {host: web}}]\n"
    )

    (problem,) = dangling(text)

    assert "spec.http[0].match[0].gateways[0]" in problem


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

    assert dangling(text) == []


def test_a_subset_of_another_host_does_not_count() -> None:
    text = RULE.format(n=1, namespace="edge", host="web") + virtual_service(
        "hosts: [web]\nhttp: [{route: [{destination: {host: web, subset: v2}}]}]"
    )

    (problem,) = dangling(text)

    assert 'no DestinationRule gives web.shop.svc.cluster.local the subset "v2"' in problem
    assert problem.endswith("Define the subset, or remove the reference.")


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

    assert [problem.split('"')[1] for problem in problems] == ["v4", "v5", "v3", "v6", "v7"]


def test_a_delegate_that_does_not_exist_is_named() -> None:
    text = virtual_service("hosts: [web]\nhttp: [{delegate: {name: leaf}}]")
    leaf = virtual_service("http: [{route: [{destination: {host: web}}]}]").replace("web,", "leaf,")

    (problem,) = dangling(text)
    assert problem.endswith('there is no VirtualService "shop/leaf". There is shop/web.')
    assert dangling(text + "---\n" + leaf) == []


@pytest.mark.parametrize(
    ("host", "full"),
    [
        ("web", "web.shop.svc.cluster.local"),
        ("Web", "web.shop.svc.cluster.local"),
        ("web.other", "web.other"),
        ("web.", "web."),
        ("*", "*"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_only_names_without_a_dot_are_completed(host: str, full: str) -> None:
    assert full == resolve_host(host, "shop")


def test_a_dot_stands_for_the_own_namespace_of_a_gateway() -> None:
    assert resolve_gateway("./out", "shop") == "shop/out"
