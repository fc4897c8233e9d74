"""Rules about Gateways: each finds what it is for, and leaves the near miss alone."""

from __future__ import annotations

import pytest

from tests.check.rules.snippets import ENTRY, GATEWAY, INVENTORY, RULE, TO, reported


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

    assert [each.partition(" ")[0] for each in reported(GATEWAY + ENTRY + rule, INVENTORY)] == expected


def test_a_gateway_needs_workloads_a_service_and_hosts_of_its_own() -> None:
    """Selector without workload, port without Service, and two Gateways for one host."""
    nobody = GATEWAY.replace("selector: {istio: egress}\n  servers", "selector: {istio: nobody}\n  servers")
    other_port = GATEWAY.replace("number: 80", "number: 90")
    twin = GATEWAY + GATEWAY.split("---", maxsplit=1)[0].replace("name: out", "name: twin") + "---\n"

    assert reported(nobody, INVENTORY) == ["IST0101 Gateway edge/out:5"]
    assert reported(other_port, INVENTORY) == ["IST0162 Gateway edge/out:7"]
    assert reported(GATEWAY, INVENTORY) == []
    assert reported(GATEWAY.replace("number: 80", "number: 8080"), INVENTORY) == []
    assert reported(twin, INVENTORY) == ["IST0145 Gateway edge/out:8", "IST0145 Gateway edge/twin:25"]
    assert (
        reported(twin.replace("name: twin", "name: twin", 1).replace("*.test", "*.other", 1), INVENTORY) == []
    )


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

    assert reported(one + TLS_GATEWAY.format(name="b", key="/c.key"), INVENTORY) == [
        "IST0138 Gateway edge/a:6",
        "IST0138 Gateway edge/b:22",
    ]
    assert reported(one + TLS_GATEWAY.format(name="b", key="/d.key"), INVENTORY) == []


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

    assert reported(credential(head % "default"), INVENTORY) == ["IST0101 Gateway edge/out:9"]
    bad = head % "edge" + "data: {tls.crt: bm8=, tls.key: bm8=}\n"
    assert reported(credential(bad), INVENTORY) == ["IST0161 Gateway edge/out:9"]
