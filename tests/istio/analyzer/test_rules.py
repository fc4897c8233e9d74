"""Each rule finds what it is for, at its line, and leaves the near miss alone."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from bench.istio.analyzer.analyze import ISTIO_RULES, OWN_RULES, analyze
from bench.istio.analyzer.catalogue import CODES
from bench.istio.analyzer.finding import Finding, Level
from bench.istio.analyzer.surroundings import Surroundings
from bench.istio.inventory import Inventory
from bench.istio.load import survey_text

INVENTORY = {
    "proxies": {
        "client": {"role": "sidecar", "ip": "10.1.0.5"},
        "egress": {
            "role": "gateway",
            "namespace": "edge",
            "labels": {"istio": "egress"},
            "ip": "10.1.0.9",
        },
    }
}


def findings_in(text: str, inventory: dict[str, object] | None = None) -> tuple[Finding, ...]:
    """Analyze YAML; without an inventory only its Pods exist."""
    survey = survey_text(textwrap.dedent(text).lstrip("\n"), "in.yaml")
    known = None if inventory is None else Inventory.model_validate(inventory)
    return analyze(Surroundings(survey.resources, known), survey.problems)


def told(text: str, inventory: dict[str, object] | None = None) -> list[str]:
    """Write findings as ``CODE Kind namespace/name:line``."""
    return [f"{each.code} {each.resource}:{each.position.line}" for each in findings_in(text, inventory)]


ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.1, labels: {v: "1"}}]
---
"""
"""Ten lines, so that what follows begins at line 11 (after dedent)."""

RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.test]
  http:
"""


def route(*lines: str) -> str:
    """Give an entry and a VirtualService with these lines below ``http``."""
    return ENTRY.lstrip("\n") + RULE.lstrip("\n") + "".join(f"  {line}\n" for line in lines)


TO = "route: [{destination: {host: api.test, port: {number: 80}}}]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(route(f"- {TO}"), [], id="a plain route has no findings"),
        pytest.param(
            route("- route: [{destination: {host: nobody.test}}]"),
            ["IST0101 VirtualService default/api:16"],
            id="a host that nobody declares",
        ),
        pytest.param(
            route("- route: [{destination: {host: api.test, port: {number: 81}}}]"),
            ["IST0101 VirtualService default/api:16"],
            id="a port that the host does not have",
        ),
        pytest.param(
            route(
                "- route:",
                "  - destination:",
                "      host: api.test",
                "      subset: v1",
            ),
            ["IST0101 VirtualService default/api:19"],
            id="a subset that nobody defines, at the line of the subset",
        ),
        pytest.param(
            route(f"- {TO}", "  mirror: {host: shadow.test}", "  mirrors: []"),
            ["IST0101 VirtualService default/api:17"],
            id="a mirror that nobody declares",
        ),
        pytest.param(
            route("- match: [{uri: {prefix: /a}}]", f"  {TO}", "- match: [{uri: {prefix: /a}}]", f"  {TO}"),
            ["IST0130 VirtualService default/api:18", "IST0131 VirtualService default/api:18"],
            id="a rule that repeats an earlier one",
        ),
        pytest.param(
            route(f"- {TO}", "- match: [{uri: {prefix: /a}}]", f"  {TO}"),
            ["IST0130 VirtualService default/api:17"],
            id="a rule behind one without match",
        ),
        pytest.param(
            route("- match: [{uri: {prefix: /a}}]", f"  {TO}", "- match: [{uri: {prefix: /a/b}}]", f"  {TO}"),
            ["IST0131 VirtualService default/api:18"],
            id="a longer prefix behind a shorter one",
        ),
        pytest.param(
            route(
                "- match: [{uri: {prefix: /a}, method: {exact: GET}}]",
                f"  {TO}",
                "- match: [{uri: {prefix: /a/b}}]",
                f"  {TO}",
            ),
            [],
            id="a method more is no cover: POST still gets to the later rule",
        ),
        pytest.param(
            route(
                "- match: [{uri: {prefix: /a}}]",
                f"  {TO}",
                "- match: [{uri: {exact: /a/b}, headers: {x: {exact: some}}}]",
                f"  {TO}",
            ),
            ["EB0009 VirtualService default/api:18"],
            id="an exact path with a header behind a prefix is hidden, which istiod does not see",
        ),
        pytest.param(
            route(f"- {TO}", "  fault: {delay: {percent: 5, fixedDelay: 1s}}"),
            ["IST0002 VirtualService default/api:17"],
            id="percent of a delay has a successor",
        ),
        pytest.param(
            route(f"- {TO}", "  redirect: {uri: /x}"),
            ["IST0106 VirtualService default/api:16"],
            id="what a cluster refuses is a finding",
        ),
    ],
)
def test_rules_of_a_virtual_service(text: str, expected: list[str]) -> None:
    assert told(text) == expected


def test_a_port_that_is_left_open_is_named_once_there_are_two() -> None:
    text = route("- route: [{destination: {host: api.test}}]")

    assert told(text) == []
    assert told(
        text.replace("protocol: HTTP}]", "protocol: HTTP}, {number: 81, name: http-b, protocol: HTTP}]")
    ) == ["IST0112 VirtualService default/api:16"]


def test_the_oldest_of_two_rules_for_a_mesh_host_is_named() -> None:
    """Both are reported; private rules of different namespaces never meet."""
    second = RULE.replace("name: api}", "name: younger, namespace: shop}") + f"  - {TO}\n"
    text = route(f"- {TO}") + "---" + second

    found = [each for each in findings_in(text) if each.code == "IST0109"]

    assert [each.resource for each in found] == ["VirtualService default/api", "VirtualService shop/younger"]
    assert "this one is the oldest" in found[0].reason
    assert "ignore this one" in found[1].reason
    private = text.replace("hosts: [api.test]\n  http", "hosts: [api.test]\n  exportTo: ['.']\n  http")
    assert told(private) == []


GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: edge}
spec:
  selector: {istio: egress}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["shop/*.test"]
---
apiVersion: v1
kind: Service
metadata: {name: egress, namespace: edge}
spec:
  selector: {istio: egress}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
"""


@pytest.mark.parametrize(
    ("gateways", "namespace", "expected"),
    [
        ("[edge/out]", "shop", []),
        ("[mesh]", "default", []),
        ("[edge/out]", "default", ["IST0132"]),
        ("[out]", "shop", ["IST0101", "IST0132"]),
        ("[elsewhere/out]", "shop", ["IST0101", "IST0132"]),
    ],
)
def test_gateways_are_named_with_their_namespace_and_take_the_hosts(
    gateways: str, namespace: str, expected: list[str]
) -> None:
    rule = RULE.replace("name: api}", f"name: api, namespace: {namespace}}}")
    rule = rule.replace("  http:", f"  gateways: {gateways}\n  http:") + f"  - {TO}\n"

    assert [each.partition(" ")[0] for each in told(GATEWAY + ENTRY + rule, INVENTORY)] == expected


def test_a_gateway_needs_workloads_a_service_and_hosts_of_its_own() -> None:
    """Selector without workload, port without Service, and two Gateways for one host."""
    nobody = GATEWAY.replace("selector: {istio: egress}\n  servers", "selector: {istio: nobody}\n  servers")
    other_port = GATEWAY.replace("number: 80", "number: 90")
    twin = GATEWAY + GATEWAY.split("---", maxsplit=1)[0].replace("name: out", "name: twin") + "---\n"

    assert told(nobody, INVENTORY) == ["IST0101 Gateway edge/out:5"]
    assert told(other_port, INVENTORY) == ["IST0162 Gateway edge/out:7"]
    assert told(GATEWAY, INVENTORY) == []
    assert told(GATEWAY.replace("number: 80", "number: 8080"), INVENTORY) == []
    assert told(twin, INVENTORY) == ["IST0145 Gateway edge/out:8", "IST0145 Gateway edge/twin:25"]
    assert told(twin.replace("name: twin", "name: twin", 1).replace("*.test", "*.other", 1), INVENTORY) == []


TLS_GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: edge}}
spec:
  selector: {{istio: egress}}
  servers:
  - port: {{number: 443, name: https, protocol: HTTPS}}
    hosts: [{name}.test]
    tls: {{mode: SIMPLE, serverCertificate: /c.crt, privateKey: {key}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: edge}}
spec: {{selector: {{istio: egress}}, ports: [{{name: https, port: 443}}]}}
---
"""


def test_gateways_with_one_certificate_mix_up_their_clients() -> None:
    one = TLS_GATEWAY.format(name="a", key="/c.key")

    assert told(one + TLS_GATEWAY.format(name="b", key="/c.key"), INVENTORY) == [
        "IST0138 Gateway edge/a:6",
        "IST0138 Gateway edge/b:22",
    ]
    assert told(one + TLS_GATEWAY.format(name="b", key="/d.key"), INVENTORY) == []


def credential(secret: str) -> str:
    """Give a Gateway with a credential, and a Secret."""
    gateway = GATEWAY.replace("port: 80,", "port: 443,").replace(
        'port: {number: 80, name: http, protocol: HTTP}\n    hosts: ["shop/*.test"]',
        "port: {number: 443, name: https, protocol: HTTPS}\n    hosts: [a.test]\n"
        "    tls: {mode: SIMPLE, credentialName: cert}",
    )
    return gateway + secret


def test_a_credential_lies_beside_the_pods_and_has_a_certificate() -> None:
    head = "apiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: %s}\n"

    assert told(credential(head % "default"), INVENTORY) == ["IST0101 Gateway edge/out:9"]
    bad = head % "edge" + "data: {tls.crt: bm8=, tls.key: bm8=}\n"
    assert told(credential(bad), INVENTORY) == ["IST0161 Gateway edge/out:9"]


DR = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api.test
"""


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
    assert [each.partition(" ")[0] for each in told(ENTRY + DR + f"  {policy}\n")] == expected


def test_pods_of_another_service_do_not_fill_a_subset() -> None:
    pod = '---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {v: "2"}}\n'

    assert [
        each.partition(" ")[0]
        for each in told(ENTRY + DR + "  subsets: [{name: v2, labels: {v: '2'}}]\n" + pod)
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
    assert [each.partition(" ")[0] for each in told(ENTRY + DR.replace("api.test", host))] == expected


def test_a_subset_route_at_the_mesh_is_no_help_at_the_gateway() -> None:
    rule = DR + "  subsets: [{name: v1, labels: {v: '1'}}]\n---"
    mesh = RULE + "  - route: [{destination: {host: api.test, subset: v1}}]\n---"
    out = (
        RULE.replace("name: api}", "name: out, namespace: shop}").replace("http:", "gateways: [%s]\n  http:")
        + f"  - {TO}\n"
    )

    assert "IST0140" in [
        each.partition(" ")[0] for each in told(GATEWAY + ENTRY + rule + mesh + out % "edge/out", INVENTORY)
    ]
    alone = GATEWAY + ENTRY + rule + mesh + (out % "mesh").replace("api.test]", "other.test]", 1)
    assert "IST0140" not in [each.partition(" ")[0] for each in told(alone, INVENTORY)]


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
    assert told(ENTRY.replace(*change)) == expected


def test_entries_that_disagree_about_a_port_are_both_named() -> None:
    other = ENTRY.replace("name: api}", "name: other, namespace: shop}").replace(
        "protocol: HTTP", "protocol: HTTP2"
    )

    assert [each.partition(":")[0] for each in told(ENTRY + other)] == [
        "IST0177 ServiceEntry default/api",
        "IST0177 ServiceEntry shop/other",
    ]
    assert (
        told(ENTRY + other.replace("  ports", "  exportTo: [away]\n  ports").replace("HTTP2", "http")) == []
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
    assert [each.partition(" ")[0] for each in told(SERVICE % (metadata, spec, port))] == expected


def test_a_claim_needs_somebody_who_checks_tokens() -> None:
    rule = RULE.replace("name: api}", "name: api, namespace: shop}").replace(
        "http:", "gateways: [edge/out]\n  http:"
    )
    rule += f"  - match: [{{headers: {{'@request.auth.claims.team': {{exact: a}}}}}}]\n    {TO}\n"
    policy = "---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
    policy += "metadata: {name: jwt, namespace: edge}\n"

    assert [each.partition(" ")[0] for each in told(GATEWAY + ENTRY + rule, INVENTORY)] == ["IST0149"]
    assert told(GATEWAY + ENTRY + rule + policy, INVENTORY) == []


def test_a_negative_condition_of_the_status_is_told() -> None:
    condition = "{type: istio.io/WaypointBound, status: '%s', reason: No, message: it}"
    status = f"\nstatus: {{conditions: [{condition}]}}\n---\n"
    entry = ENTRY.rstrip().removesuffix("---").rstrip()

    assert told(entry + status % "False") == ["IST0171 ServiceEntry default/api:9"]
    assert told(entry + status % "True") == []


def test_namespaces_and_pods_without_a_sidecar_are_told_only_without_an_inventory() -> None:
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

    assert [each.partition(":")[0] for each in told(text)] == [
        "IST0102 Namespace plain",
        "IST0123 Namespace both",
        "IST0103 Pod meshed/bare",
    ]
    assert told(text, INVENTORY) == []


def test_a_service_and_a_service_entry_that_share_a_host_are_told_by_era() -> None:
    entry = ENTRY.replace("api.test", "web.default.svc.cluster.local").replace("80", "443")
    text = entry + SERVICE % ("", "", "80, name: http")

    (found,) = findings_in(text, INVENTORY)
    assert (found.code, found.level) == ("EB0001", Level.WARNING)
    assert "its ports 443 do not exist" in found.reason
    (found,) = findings_in(text, {**INVENTORY, "semantics": "istio-1.0"})
    assert (found.code, found.level) == ("EB0001", Level.INFO)


def test_an_annotation_silences_a_code_for_one_resource() -> None:
    text = route("- route: [{destination: {host: nobody.test}}]")
    quiet = text.replace(
        "kind: VirtualService\nmetadata: {name: api}",
        "kind: VirtualService\n"
        "metadata: {name: api, annotations: {galley.istio.io/analyze-suppress: IST0101}}",
    )

    assert told(text) != []
    assert told(quiet) == []


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
    sources = (path.read_text() for path in bench.rglob("*.py") if path.name != "catalogue.py")
    used = {code for text in sources for code in re.findall(r'"((?:IST|EB)[0-9]{4})"', text)}

    assert used <= CODES.keys()
    assert CODES.keys() <= used
