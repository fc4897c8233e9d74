"""Effects are read from the translation: each is found with its cause, and the working twin has none."""

from __future__ import annotations

import pytest

from bench.check.effects.find import find_effects
from bench.check.finding import Level
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from tests.explain.test_explanation import loaded

SHOP = "a-service-takes-the-place-of-the-service-entry"
BASE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: apis}
spec:
  hosts: [api.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.1}, {address: 192.0.2.2}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: edge}
spec:
  selector: {istio: egress}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: edge}
spec:
  hosts: [api.test]
  gateways: [out]
  http:
  - route: [{destination: {host: api.test, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: edge}
spec:
  host: api.test
  trafficPolicy:
"""
INVENTORY = {
    "proxies": {
        "egress": {
            "role": "gateway",
            "namespace": "edge",
            "labels": {"istio": "egress"},
            "ip": "10.1.0.9",
            "interception": "none",
        }
    }
}


def effects(policy: str, change: tuple[str, str] = ("", ""), connections: int | None = None) -> list[str]:
    """Find the effects of a policy for the only route of a gateway."""
    resources = load_text(
        (BASE + "".join(f"    {line}\n" for line in policy.splitlines())).replace(*change), "in.yaml"
    )
    registry = build_registry(resources, Inventory.model_validate(INVENTORY))
    return [each.code for each in find_effects(registry, resources, connections=connections)]


def test_the_walkthrough_as_written_names_cause_effect_and_remedy_and_the_repaired_one_its_plain_text() -> (
    None
):
    broken, resources = loaded(SHOP)
    (found,) = find_effects(broken, resources)

    assert (found.level, found.code, found.resource) == (
        Level.ERROR,
        "EB0101",
        "VirtualService default/to-shop",
    )
    assert "with want = v1 get 503 NC at egress, because there is no cluster" in found.reason
    assert "a Kubernetes Service of the same host takes its place" in found.reason

    service = "apiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: partners}\n"
    service += "spec:\n  clusterIP: 10.96.0.7\n"
    repaired, resources = loaded(SHOP, change=(service + "  ports: [{name: http, port: 80}]\n---\n", ""))
    assert [(each.level, each.code) for each in find_effects(repaired, resources)] == [
        (Level.WARNING, "EB0111")
    ]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("a-gateway-that-does-not-know-the-host", {"EB0003", "EB0105", "EB0107"}),
        ("names-that-lead-nowhere", {"EB0101", "EB0102"}),
        ("tls-that-does-not-fit", {"EB0107"}),
        ("faults-redirects-and-weights", set()),
    ],
)
def test_ways_that_lead_nowhere_are_found(case: str, expected: set[str]) -> None:
    assert {found.code for found in find_effects(*loaded(case))} == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("connectionPool: {tcp: {maxConnections: 100}}", []),
        ("tls: {mode: SIMPLE, caCertificates: /ca.crt}", []),
        ("tls: {mode: SIMPLE, caCertificates: /ca.crt, sni: api.test}", ["EB0006"]),
        ("tls: {mode: SIMPLE, caCertificates: /ca.crt, sni: api.test, subjectAltNames: [api.test]}", []),
        ("outlierDetection: {consecutive5xxErrors: 3}", ["EB0007"]),
        ("outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 50}", []),
        ("outlierDetection: {consecutive5xxErrors: 0, maxEjectionPercent: 100}", ["EB0007"]),
        (
            (
                "tls: {mode: SIMPLE, caCertificates: /ca.crt}\n"
                "portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]"
            ),
            ["EB0103"],
        ),
    ],
)
def test_settings_that_do_not_do_what_they_say(policy: str, expected: list[str]) -> None:
    assert effects(policy) == expected


def test_a_circuit_breaker_is_held_against_the_planned_load() -> None:
    policy = "connectionPool: {tcp: {maxConnections: 8}}"

    assert effects(policy, connections=None) == []
    assert effects(policy, connections=8) == []
    assert effects(policy, connections=9) == ["EB0008"]


def test_a_rule_out_of_reach_is_plain_text_where_it_starts_tls() -> None:
    here = "namespace: edge}\nspec:\n  host: api"

    def away(namespace: str) -> tuple[str, str]:
        return here, here.replace("edge", namespace)

    assert effects("tls: {mode: SIMPLE, caCertificates: /ca.crt}", away("away")) == ["EB0106"]
    assert effects("loadBalancer: {simple: RANDOM}", away("away")) == ["EB0002"]
    assert effects("loadBalancer: {simple: RANDOM}", away("apis")) == []


def test_sni_cannot_be_an_ip_address() -> None:
    rewritten = ("  - route", "  - rewrite: {authority: 192.0.2.9}\n    route")

    assert effects("tls: {mode: SIMPLE, caCertificates: /ca.crt}", rewritten) == ["EB0005"]
    assert effects("tls: {mode: SIMPLE, caCertificates: /ca.crt, sni: a.test}", rewritten) == ["EB0006"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # istiod puts what catches all last, so that nothing is hidden here …
        ("/", "/a", []),
        # … but a prefix is not one.
        ("/a", "/a/b", ["EB0104"]),
        ("/a/b", "/a", []),
    ],
)
def test_a_route_that_another_resource_hides_is_named(first: str, second: str, expected: list[str]) -> None:
    def matching(prefix: str) -> tuple[str, str]:
        return "  - route", f"  - match: [{{uri: {{prefix: {prefix}}}}}]\n    route"

    late = BASE.split("---")[2].replace("name: api,", "name: late,").replace(*matching(second))
    text = BASE.replace(*matching(first)) + "    loadBalancer: {simple: RANDOM}\n---" + late
    resources = load_text(text, "in.yaml")
    found = find_effects(build_registry(resources, Inventory.model_validate(INVENTORY)), resources)

    assert [each.code for each in found] == expected
    assert all(each.resource == "VirtualService edge/late" for each in found)


def test_what_files_cannot_do_is_a_finding_and_no_end() -> None:
    (code,) = effects("loadBalancer: {simple: PASSTHROUGH}")[:1]

    assert code == "EB0100"


def test_a_server_that_has_no_effect_is_reported_with_its_reason() -> None:
    again = BASE.replace(
        "servers: [", "servers: [{port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}, "
    )
    resources = load_text(again.rpartition("---")[0], "in.yaml")
    registry = build_registry(resources, Inventory.model_validate(INVENTORY))
    found = [each for each in find_effects(registry, resources) if each.code == "EB0109"]

    assert [each.resource for each in found] == ["Gateway edge/out"] * len(found)
    assert any("an older TCP server has port 80" in each.reason for each in found)
    assert all(each.level is Level.WARNING and each.remedy for each in found)
