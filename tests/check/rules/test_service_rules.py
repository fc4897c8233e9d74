"""Rules about services and what holds for them: each finds what it is for, and leaves the near miss alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.check.codes import CODES
from bench.check.finding import Level
from bench.check.rules.analyze import ISTIO_RULES, OWN_RULES
from tests.check.rules.snippets import DR, ENTRY, GATEWAY, INVENTORY, RULE, TO, findings_in, reported, route


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("trafficPolicy: {tls: {mode: SIMPLE}}", ["IST0128"]),
        ("trafficPolicy: {tls: {mode: SIMPLE, caCertificates: system}}", []),
        ("trafficPolicy: {tls: {mode: DISABLE}}", []),
        ("trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}", ["IST0129"]),
        ("subsets: [{name: v1, labels: {v: '1'}, trafficPolicy: {tls: {mode: SIMPLE}}}]", ["EB0010"]),
        ("subsets: [{name: v1, labels: {v: '1'}}]", []),
        ("subsets: [{name: v2, labels: {v: '2'}}]", ["IST0173"]),
        ("subsets: [{name: all}]", []),
        ("trafficPolicy: {outlierDetection: {consecutiveErrors: 3}}", ["IST0133"]),
        (
            (
                "subsets: [{name: v1, labels: {v: '1'}, "
                "trafficPolicy: {outlierDetection: {consecutiveErrors: 3}}}]"
            ),
            ["EB0011"],
        ),
    ],
)
def test_rules_of_a_destination_rule(policy: str, expected: list[str]) -> None:
    assert [each.partition(" ")[0] for each in reported(ENTRY + DR + f"  {policy}\n")] == expected


def test_pods_of_another_service_do_not_fill_a_subset() -> None:
    pod = '---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {v: "2"}}\n'

    assert [
        each.partition(" ")[0]
        for each in reported(ENTRY + DR + "  subsets: [{name: v2, labels: {v: '2'}}]\n" + pod)
    ] == ["EB0004"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.test", []),
        ("'*.test'", []),
        ("'*.other'", ["IST0174"]),
        ("nobody.test", ["IST0174"]),
        ("api", ["IST0174"]),
    ],
)
def test_a_destination_rule_has_a_service(host: str, expected: list[str]) -> None:
    """A wildcard rule counts for the hosts below it, which istioctl does not see."""
    assert [each.partition(" ")[0] for each in reported(ENTRY + DR.replace("api.test", host))] == expected


def test_a_subset_route_at_the_mesh_is_of_no_help_at_the_gateway() -> None:
    rule = DR + "  subsets: [{name: v1, labels: {v: '1'}}]\n---"
    mesh = RULE + "  - route: [{destination: {host: api.test, subset: v1}}]\n---"
    out = (
        RULE.replace("name: api}", "name: out, namespace: shop}").replace("http:", "gateways: [%s]\n  http:")
        + f"  - {TO}\n"
    )

    assert "IST0140" in [
        each.partition(" ")[0]
        for each in reported(GATEWAY + ENTRY + rule + mesh + out % "edge/out", INVENTORY)
    ]
    alone = GATEWAY + ENTRY + rule + mesh + (out % "mesh").replace("api.test]", "other.test]", 1)
    assert "IST0140" not in [each.partition(" ")[0] for each in reported(alone, INVENTORY)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("protocol: HTTP", "protocol: TCP"), ["IST0134 ServiceEntry default/api:7"]),
        (("protocol: HTTP", "protocol: tcp"), ["IST0134 ServiceEntry default/api:7"]),
        (("protocol: HTTP", "protocol: TLS"), []),
        (("protocol: HTTP}]", "protocol: TCP}]\n  addresses: [192.0.2.7]"), []),
    ],
)
def test_a_tcp_port_needs_an_address(change: tuple[str, str], expected: list[str]) -> None:
    assert reported(ENTRY.replace(*change)) == expected


def test_entries_that_disagree_about_a_port_are_both_named() -> None:
    other = ENTRY.replace("name: api}", "name: other, namespace: shop}").replace(
        "protocol: HTTP", "protocol: HTTP2"
    )

    assert [each.partition(":")[0] for each in reported(ENTRY + other)] == [
        "IST0177 ServiceEntry default/api",
        "IST0177 ServiceEntry shop/other",
    ]
    assert (
        reported(ENTRY + other.replace("  ports", "  exportTo: [away]\n  ports").replace("HTTP2", "http"))
        == []
    )


SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web%s}\nspec:\n%s  ports: [{port: %s}]\n"


@pytest.mark.parametrize(
    ("metadata", "spec", "port", "expected"),
    [
        ("", "", "80, name: http", []),
        ("", "", "80, name: HTTP-x", []),
        ("", "", "80, name: web", ["IST0118"]),
        ("", "", "80", ["IST0118"]),
        ("", "", "3306", []),
        ("", "", "80, name: web, protocol: UDP", []),
        ("", "", "80, name: web, appProtocol: kubernetes.io/ws", []),
        (", labels: {istio: x}", "", "80, name: web", []),
        ("", "  type: ExternalName\n  externalName: a.test\n", "80, name: tcp", ["IST0150"]),
        ("", "  type: ExternalName\n  externalName: a.test\n", "80, name: tcp-x", []),
        (", annotations: {networking.istio.io/exportTo: '*'}", "", "80, name: http", []),
        (", annotations: {networking.istio.io/wrong: '*'}", "", "80, name: http", ["IST0108"]),
        (", annotations: {sidecar.istio.io/proxyCPU: '1'}", "", "80, name: http", ["IST0107"]),
        (", annotations: {mine.test/x: '1'}", "", "80, name: http", []),
    ],
)
def test_ports_and_annotations_of_services(metadata: str, spec: str, port: str, expected: list[str]) -> None:
    assert [each.partition(" ")[0] for each in reported(SERVICE % (metadata, spec, port))] == expected


def test_a_claim_needs_somebody_who_checks_tokens() -> None:
    rule = RULE.replace("name: api}", "name: api, namespace: shop}").replace(
        "http:", "gateways: [edge/out]\n  http:"
    )
    rule += f"  - match: [{{headers: {{'@request.auth.claims.team': {{exact: a}}}}}}]\n    {TO}\n"
    policy = "---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
    policy += "metadata: {name: jwt, namespace: edge}\n"

    assert [each.partition(" ")[0] for each in reported(GATEWAY + ENTRY + rule, INVENTORY)] == ["IST0149"]
    assert reported(GATEWAY + ENTRY + rule + policy, INVENTORY) == []


def test_a_negative_condition_of_the_status_is_told() -> None:
    condition = "{type: istio.io/WaypointBound, status: '%s', reason: No, message: it}"
    status = f"\nstatus: {{conditions: [{condition}]}}\n---\n"
    entry = ENTRY.rstrip().removesuffix("---").rstrip()

    assert reported(entry + status % "False") == ["IST0171 ServiceEntry default/api:9"]
    assert reported(entry + status % "True") == []


def test_namespaces_and_pods_without_a_sidecar_are_reported_only_without_an_inventory() -> None:
    text = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: plain}
        ---
        apiVersion: v1
        kind: Namespace
        metadata: {name: both, labels: {istio-injection: enabled, istio.io/rev: x}}
        ---
        apiVersion: v1
        kind: Namespace
        metadata: {name: meshed, labels: {istio-injection: enabled}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: bare, namespace: meshed}
        spec: {containers: [{name: app, image: x}]}
    """

    assert [each.partition(":")[0] for each in reported(text)] == [
        "IST0102 Namespace plain",
        "IST0123 Namespace both",
        "IST0103 Pod meshed/bare",
    ]
    assert reported(text, INVENTORY) == []


def test_a_service_and_a_service_entry_that_share_a_host_are_reported_by_era() -> None:
    entry = ENTRY.replace("api.test", "web.default.svc.cluster.local").replace("80", "443")
    text = entry + SERVICE % ("", "", "80, name: http")

    (found,) = findings_in(text, INVENTORY)
    assert (found.code, found.level) == ("EB0001", Level.WARNING)
    assert "its port 443 does not exist" in found.reason
    (found,) = findings_in(text, {**INVENTORY, "semantics": "istio-1.0"})
    assert (found.code, found.level) == ("EB0001", Level.INFO)


def test_an_annotation_silences_a_code_for_one_resource() -> None:
    text = route("- route: [{destination: {host: nobody.test}}]")
    quiet = text.replace(
        "kind: VirtualService\nmetadata: {name: api}",
        "kind: VirtualService\n"
        "metadata: {name: api, annotations: {galley.istio.io/analyze-suppress: IST0101}}",
    )

    assert reported(text) != []
    assert reported(quiet) == []


def test_every_finding_says_what_to_do_and_has_a_title() -> None:
    """Reasons and remedies are sentences, and each code is in the catalogue."""
    text = route("- route: [{destination: {host: nobody.test}}]", "- match: [{uri: {prefix: /}}]", f"  {TO}")
    text += "---" + GATEWAY + DR.replace("api.test", "gone.test")
    found = findings_in(text)

    assert len(found) >= 4
    for each in found:
        assert each.code in CODES
        assert each.reason.endswith(".")
        assert each.remedy.endswith(".")
    assert len({*ISTIO_RULES, *OWN_RULES}) == len(ISTIO_RULES) + len(OWN_RULES)


def test_every_code_in_the_sources_is_in_the_catalogue() -> None:
    """SARIF looks titles up; a code without one would end the command."""
    bench = Path(__file__).parents[3] / "bench"
    sources = (path.read_text() for path in bench.rglob("*.py") if path.name != "codes.py")
    used = {code for text in sources for code in re.findall(r'"((?:IST|EB)[0-9]{4})"', text)}

    assert used <= CODES.keys()
    assert CODES.keys() <= used
