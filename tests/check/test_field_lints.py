"""Lints that reports from the field ask for, each on a small case, and its neighbours that are fine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.check import Finding, Level, effects_of, survey
from bench.check.rules.analyze import analyze
from bench.check.rules.surroundings import Surroundings
from bench.scenario.read import read_folder

INVENTORY = """
proxies:
  client: {role: sidecar, namespace: shop, ip: 10.1.0.5, labels: {app: client}}
  other: {role: sidecar, namespace: shop, ip: 10.1.0.6, labels: {app: other}}
  egress: {role: gateway, namespace: istio-system, ip: 10.1.0.9, labels: {istio: egress}}
services:
- {name: egress, namespace: istio-system, clusterIP: 10.96.0.9, selector: {istio: egress}, ports: [
    {name: http, port: 80, targetPort: 8080}, {name: tls, port: 443, targetPort: 8443}]}
"""
HEAD = "apiVersion: networking.istio.io/v1\n"
GATEWAY_HOST = "egress.istio-system.svc.cluster.local"


def entry(host: str, ports: str, more: str = "", *, name: str = "e", namespace: str = "shop") -> str:
    return f"""{HEAD}kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: ["{host}"]
  ports: [{ports}]
  resolution: STATIC
  endpoints: [{{address: 192.0.2.1}}]
{more}"""


def rule(host: str, policy: str, more: str = "", *, name: str = "r", namespace: str = "shop") -> str:
    return f"""{HEAD}kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  host: {host}
  trafficPolicy: {policy}
{more}"""


def routes(
    host: str, spec: str, *, gateways: str = "[mesh]", name: str = "v", namespace: str = "shop"
) -> str:
    return f"""{HEAD}kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  hosts: ["{host}"]
  gateways: {gateways}
  {spec}
"""


def gateway(server: str, selector: str = "{istio: egress}") -> str:
    return f"""{HEAD}kind: Gateway
metadata: {{name: out, namespace: shop}}
spec:
  selector: {selector}
  servers: [{server}]
"""


def findings(folder: Path, *documents: str, inventory: str = INVENTORY) -> list[Finding]:
    """What the analyzer and the effects say of *documents*."""
    (folder / "in.yaml").write_text("---\n".join(documents))
    (folder / "inventory.yaml").write_text(inventory)
    read = read_folder(folder)
    read.require_resources()
    found = survey(read.registry(), read.resources)
    return [*analyze(Surroundings(read.resources, read.inventory)), *effects_of(found)]


def reported(found: list[Finding], code: str) -> list[Finding]:
    return [each for each in found if each.code == code]


HTTP, HTTPS, TCP = (
    "{number: 80, name: http, protocol: HTTP}",
    "{number: 443, name: https, protocol: HTTPS}",
    "{number: 5432, name: tcp, protocol: TCP}",
)
SIMPLE = "{tls: {mode: SIMPLE, caCertificates: /ca.pem}}"
TO_GATEWAY = f"http: [{{route: [{{destination: {{host: {GATEWAY_HOST}, port: {{number: 80}}}}}}]}}]"


def test_tls_that_meets_a_rule_with_tls_is_double(tmp_path: Path) -> None:
    found = findings(tmp_path, entry("a.test", HTTPS), rule("a.test", SIMPLE))

    assert {each.level for each in reported(found, "EB0110")} == {Level.WARNING}
    assert "TLS connections for a.test leave client as TLS within TLS" in reported(found, "EB0110")[0].reason


def test_a_rule_that_originates_tls_for_requests_is_only_noted(tmp_path: Path) -> None:
    """Who calls the HTTPS port is hit, and the rule does what it is for."""
    to_tls = "http: [{route: [{destination: {host: a.test, port: {number: 443}}}]}]"
    found = findings(
        tmp_path, entry("a.test", f"{HTTP}, {HTTPS}"), rule("a.test", SIMPLE), routes("a.test", to_tls)
    )

    assert {each.level for each in reported(found, "EB0110")} == {Level.INFO}
    assert reported(found, "EB0111") == []


@pytest.mark.parametrize(
    ("policy", "codes"), [("{loadBalancer: {simple: RANDOM}}", ["EB0111"]), (SIMPLE, [])]
)
def test_plain_http_to_a_tls_port_is_reported_unless_tls_starts_there(
    tmp_path: Path, policy: str, codes: list[str]
) -> None:
    to_tls = "http: [{route: [{destination: {host: a.test, port: {number: 443}}}]}]"
    found = findings(
        tmp_path, entry("a.test", f"{HTTP}, {HTTPS}"), rule("a.test", policy), routes("a.test", to_tls)
    )

    assert sorted({each.code for each in found if each.code == "EB0111"}) == codes


@pytest.mark.parametrize(
    ("ports", "spec", "cause"),
    [
        (
            HTTPS,
            "http: [{match: [{port: 443}], route: [{destination: {host: a.test}}]}]",
            "use tls rules only",
        ),
        (
            HTTP,
            "http: [{match: [{port: 81}], route: [{destination: {host: a.test}}]}]",
            "has no port 81, only 80",
        ),
        (HTTPS, "tcp: [{route: [{destination: {host: a.test}}]}]", "use tls rules only"),
        (
            TCP,
            "tls: [{match: [{sniHosts: [a.test]}], route: [{destination: {host: a.test}}]}]",
            "use tcp rules only",
        ),
    ],
)
def test_a_rule_that_no_listener_uses_is_reported_with_the_cause(
    tmp_path: Path, ports: str, spec: str, cause: str
) -> None:
    (found,) = reported(findings(tmp_path, entry("a.test", ports), routes("a.test", spec)), "EB0112")

    assert found.level is Level.WARNING
    assert cause in found.reason
    assert found.position.line == (tmp_path / "in.yaml").read_text().splitlines().index(f"  {spec}") + 1


@pytest.mark.parametrize(
    ("ports", "spec"),
    [
        (HTTP, "http: [{route: [{destination: {host: a.test}}]}]"),
        (HTTP, "http: [{match: [{sourceLabels: {app: nobody}}], route: [{destination: {host: a.test}}]}]"),
        (TCP, "tcp: [{route: [{destination: {host: a.test}}]}]"),
        (HTTPS, "tls: [{match: [{sniHosts: [a.test]}], route: [{destination: {host: a.test}}]}]"),
        (f"{HTTP}, {HTTPS}", "http: [{route: [{destination: {host: a.test, port: {number: 80}}}]}]"),
    ],
)
def test_a_rule_that_is_asked_or_may_be_asked_elsewhere_is_fine(
    tmp_path: Path, ports: str, spec: str
) -> None:
    assert reported(findings(tmp_path, entry("a.test", ports), routes("a.test", spec)), "EB0112") == []


def test_two_hosts_without_address_on_one_port_share_a_listener(tmp_path: Path) -> None:
    older, younger = entry("a.test", TCP, name="a"), entry("b.test", TCP, name="b")
    (found,) = reported(findings(tmp_path, older, younger), "EB0113")

    assert found.resource == "ServiceEntry shop/b"
    assert "connections to b.test:5432 go to a.test" in found.reason
    addressed = [
        entry(host, TCP, f"  addresses: [{address}]\n", name=host[0])
        for host, address in (("a.test", "192.0.2.11"), ("b.test", "192.0.2.12"))
    ]
    assert reported(findings(tmp_path, *addressed), "EB0113") == []


def test_a_policy_that_is_lost_in_a_merge_or_behind_port_settings_is_named(tmp_path: Path) -> None:
    limits = "{connectionPool: {tcp: {maxConnections: 3}}}"
    merged = findings(
        tmp_path, entry("a.test", HTTP), rule("a.test", limits, name="a"), rule("a.test", SIMPLE, name="b")
    )
    assert [each.resource for each in reported(merged, "EB0114")] == ["DestinationRule shop/b"]

    of_port = "portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]"
    behind = f"{{connectionPool: {{tcp: {{maxConnections: 3}}}}, {of_port}}}"
    (found,) = reported(findings(tmp_path, entry("a.test", HTTP), rule("a.test", behind)), "EB0114")
    assert "connectionPool of the rule does not hold on port 80" in found.reason


def test_a_general_rule_that_one_with_a_selector_swallows_is_named_for_those_who_lose_it(
    tmp_path: Path,
) -> None:
    limits = "{connectionPool: {tcp: {maxConnections: 2}}}"
    selecting = rule("a.test", limits, "  workloadSelector: {matchLabels: {app: other}}\n", name="selecting")
    general = '  exportTo: ["."]\n'
    asked = routes("a.test", "http: [{route: [{destination: {host: a.test}}]}]")
    (found,) = reported(
        findings(
            tmp_path, entry("a.test", HTTP), asked, rule("a.test", limits, general, name="all"), selecting
        ),
        "EB0115",
    )

    assert found.resource == "DestinationRule shop/all"
    assert found.reason.startswith("client gets nothing of this rule")
    assert 'exportTo: ["shop"]' in found.remedy
    apart = rule("a.test", limits, "  exportTo: [shop]\n", name="all")
    assert reported(findings(tmp_path, entry("a.test", HTTP), asked, apart, selecting), "EB0115") == []


def test_a_tls_rule_below_a_wildcard_service_that_takes_its_own_way_away_is_named(tmp_path: Path) -> None:
    below = "tls: [{match: [{sniHosts: [film.cdn.test]}], route: [{destination: {host: a.test}}]}]"
    documents = (
        entry("*.cdn.test", HTTPS, name="cdn"),
        entry("a.test", HTTPS, "  addresses: [192.0.2.11]\n"),
    )
    (found,) = reported(findings(tmp_path, *documents, routes("film.cdn.test", below)), "EB0116")

    assert found.resource == "VirtualService shop/v"
    assert "film.cdn.test, client has no way to other hosts of *.cdn.test on port 443" in found.reason
    others = ", {match: [{sniHosts: ['*.cdn.test']}], route: [{destination: {host: '*.cdn.test'}}]}]"
    kept = routes("*.cdn.test", below[:-1] + others)
    assert reported(findings(tmp_path, *documents, kept), "EB0116") == []


def test_capitals_and_namespaces_that_keep_a_host_from_working_are_told(tmp_path: Path) -> None:
    server = (
        '{port: {number: 80, name: h, protocol: HTTP}, hosts: ["shop/a.test"], tls: {httpsRedirect: true}}'
    )
    found = findings(tmp_path, entry("a.test", HTTP), rule("A.test", SIMPLE), gateway(server))

    assert {(each.resource, each.remedy) for each in reported(found, "EB0117")} == {
        ("DestinationRule shop/r", "Write a.test."),
        ("Gateway shop/out", "Write the host without its namespace: a.test."),
    }


def test_tls_connections_that_die_at_the_gateway_are_an_error_with_the_remedy(tmp_path: Path) -> None:
    to_gateway = (
        f"tls: [{{match: [{{sniHosts: [a.test]}}], route: [{{destination: {{host: {GATEWAY_HOST}, port: "
        "{number: 443}}}]}]"
    )
    server = "{port: {number: 443, name: tls, protocol: TLS}, hosts: [a.test], tls: "
    ends = f"{server}{{mode: SIMPLE, serverCertificate: /c, privateKey: /k}}}}"
    passes = f"{server}{{mode: PASSTHROUGH}}}}"
    at_gateway = routes(
        "a.test",
        "tls: [{match: [{sniHosts: [a.test]}], route: [{destination: {host: a.test, port: {number: 443}}}]}]",
        gateways="[shop/out]",
        name="w",
    )
    base = entry("a.test", HTTPS), routes("a.test", to_gateway), at_gateway

    (found, _) = reported(findings(tmp_path, *base, gateway(ends)), "EB0107")
    assert found.level is Level.ERROR
    assert "has no route for that port" in found.reason
    assert "tcp rules" in found.remedy
    assert [each.code for each in findings(tmp_path, *base, gateway(passes)) if each.level > Level.INFO] == []


def test_a_missing_subset_names_the_rule_that_has_it_and_where_the_proxy_looks(tmp_path: Path) -> None:
    subsets = "  subsets: [{name: v1, labels: {}}]\n"
    spec = "http: [{route: [{destination: {host: a.test, subset: v1}}]}]"
    elsewhere = rule("a.test", "{loadBalancer: {simple: RANDOM}}", subsets, name="far", namespace="team")
    (found,) = reported(
        findings(tmp_path, entry("a.test", HTTP), routes("a.test", spec), elsewhere), "EB0101"
    )

    assert "DestinationRule team/far" in found.reason
    assert "in.yaml:" in found.reason
    assert "is in the namespace team, and client looks in shop and istio-system only" in found.reason
    assert found.remedy == "Move it to the namespace shop or istio-system."


def test_nothing_is_said_of_the_gateways_own_service_that_nobody_calls(tmp_path: Path) -> None:
    assert findings(tmp_path, entry("a.test", HTTP)) == []


def test_plain_text_beside_a_rule_with_a_selector_says_whom_it_selects(tmp_path: Path) -> None:
    chosen = rule("a.test", SIMPLE, "  workloadSelector: {matchLabels: {app: client}}\n")
    (found,) = reported(findings(tmp_path, entry("a.test", HTTP), chosen), "EB0106")

    assert "leave other in plain text" in found.reason
    assert "workloadSelector selects workloads of shop with app=client, and other is not one" in found.reason
    assert "workloadSelector" in found.remedy


@pytest.mark.parametrize(
    ("name", "errors"),
    [("a.test", 1), ("spiffe://cluster.local/ns/istio-system/sa/default", 0)],
)
def test_a_gateway_bears_its_identity_and_no_host_name(tmp_path: Path, name: str, errors: int) -> None:
    port = "{number: 443, name: https, protocol: HTTPS}"
    server = f"{{port: {port}, hosts: [a.test], tls: {{mode: ISTIO_MUTUAL}}}}"
    found = findings(
        tmp_path,
        entry("a.test", HTTP),
        routes("a.test", TO_GATEWAY.replace("80", "443")),
        gateway(server),
        routes("a.test", "http: [{route: [{destination: {host: a.test}}]}]", gateways="[out]", name="w"),
        rule(
            GATEWAY_HOST,
            f"{{tls: {{mode: ISTIO_MUTUAL, sni: a.test, subjectAltNames: ['{name}']}}}}",
            name="m",
        ),
    )

    wrong = [each for each in reported(found, "EB0118") if each.level is Level.ERROR]
    assert len(wrong) == 2 * errors  # at both sidecars
    assert all(f"demands {name}" in each.reason for each in wrong)
