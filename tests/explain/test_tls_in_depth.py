"""Which SNI is really sent, which name is really checked, who presents a certificate: predicted and seen."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.explain import Trace, parse_request
from bench.explain.explain import explain
from bench.explain.servers import ServerCertificate
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from tests.explain.tls_server import tls_server
from tests.explain.world import World, running
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.envoy

SERVER = ("192.0.2.7", 443)
INVENTORY = Inventory.model_validate(
    {
        "proxies": {
            "client": {"role": "sidecar", "namespace": "shop", "ip": "10.1.0.5"},
            "egress": {
                "role": "gateway",
                "namespace": "istio-system",
                "ip": "10.1.0.9",
                "labels": {"istio": "egress"},
            },
        },
        "services": [
            {
                "name": "egress",
                "namespace": "istio-system",
                "clusterIP": "10.96.0.9",
                "selector": {"istio": "egress"},
                "ports": [{"name": "tls", "port": 443, "targetPort": 8443}],
            }
        ],
    }
)
HEAD = "apiVersion: networking.istio.io/v1\n"
GATEWAY = "egress.istio-system.svc.cluster.local"


def entry(ports: str, more: str = "") -> str:
    return f"""{HEAD}kind: ServiceEntry
metadata: {{name: a, namespace: shop}}
spec:
  hosts: [a.test]
  ports: [{ports}]
  resolution: STATIC
  endpoints: [{{address: {SERVER[0]}}}]
{more}"""


def rule(tls: str, host: str = "a.test", name: str = "r") -> str:
    return f"""---
{HEAD}kind: DestinationRule
metadata: {{name: {name}, namespace: shop}}
spec: {{host: {host}, trafficPolicy: {{tls: {tls}}}}}
"""


HTTP = "{number: 80, name: http, protocol: HTTP, targetPort: 443}"
TCP = "{number: 5000, name: tcp, protocol: TCP, targetPort: 443}"
HTTPS = "{number: 443, name: https, protocol: HTTPS}"
ADDRESS = "  addresses: [192.0.2.50]\n"
SIMPLE = "mode: SIMPLE, caCertificates: /ca.pem"
MUTUAL = "mode: MUTUAL, caCertificates: /ca.pem, clientCertificate: /c.pem, privateKey: /k.pem"
THROUGH = f"""---
{HEAD}kind: VirtualService
metadata: {{name: to, namespace: shop}}
spec:
  hosts: [a.test]
  tls:
  - match: [{{sniHosts: [a.test]}}]
    route: [{{destination: {{host: {GATEWAY}, port: {{number: 443}}}}}}]
---
{HEAD}kind: VirtualService
metadata: {{name: from, namespace: shop}}
spec:
  hosts: [a.test]
  gateways: [out]
  KIND:
  - MATCHroute: [{{destination: {{host: a.test, port: {{number: 443}}}}}}]
---
{HEAD}kind: Gateway
metadata: {{name: out, namespace: shop}}
spec:
  selector: {{istio: egress}}
  servers:
  - port: {{number: 443, name: tls, protocol: TLS}}
    hosts: [a.test]
    tls: TLS
"""
ENDS = "{mode: SIMPLE, serverCertificate: /s.pem, privateKey: /s.key}"
PASSES = "{mode: PASSTHROUGH}"
NESTED = THROUGH.replace("KIND", "tcp").replace("MATCH", "").replace("TLS\n", f"{ENDS}\n")
PASSED = (
    THROUGH.replace("KIND", "tls")
    .replace("MATCH", "match: [{sniHosts: [a.test]}]\n    ")
    .replace("tls: TLS\n", f"tls: {PASSES}\n")
)
MESH = rule("{mode: SIMPLE, sni: a.test, insecureSkipVerify: true}", GATEWAY, "mesh")


@dataclass(frozen=True)
class Case:
    """One way to a server whose certificate has *names*."""

    text: str
    url: str
    names: tuple[str, ...] = ("a.test",)
    sni: str | None = "a.test"
    """None: the server is not reached."""
    certificate: bool = False
    alpn: str = "http/1.1"
    """istiod names none: Envoy's pool of HTTP/1.1 connections offers its own; other connections none."""


CASES = {
    "sni of the rule": Case(entry(HTTP) + rule(f"{{{SIMPLE}, sni: b.test}}"), "http://a.test/", sni="b.test"),
    "sni of the host, and its name": Case(entry(HTTP) + rule(f"{{{SIMPLE}}}"), "http://a.test/"),
    "another name than the host": Case(
        entry(HTTP) + rule(f"{{{SIMPLE}}}"), "http://a.test/", ("b.test",), sni=None
    ),
    "a wildcard of the certificate": Case(
        entry(HTTP) + rule(f"{{{SIMPLE}, subjectAltNames: [www.b.test]}}"),
        "http://a.test/",
        ("*.b.test", "a.test"),
    ),
    "names of the entry": Case(
        entry(HTTP, "  subjectAltNames: [b.test]\n") + rule(f"{{{SIMPLE}}}"), "http://a.test/", sni=None
    ),
    "names of the entry and the host": Case(
        entry(HTTP, "  subjectAltNames: [b.test]\n") + rule(f"{{{SIMPLE}}}"),
        "http://a.test/",
        ("a.test", "b.test"),
    ),
    "a host that is an address": Case(
        entry(HTTP, ADDRESS) + rule(f"{{{SIMPLE}}}"), "http://192.0.2.50/", sni=None
    ),
    "a host that is an address, in the certificate": Case(
        entry(HTTP, ADDRESS) + rule(f"{{{SIMPLE}}}"), "http://192.0.2.50/", ("192.0.2.50",), sni=""
    ),
    "mutual": Case(entry(HTTP) + rule(f"{{{MUTUAL}}}"), "http://a.test/", certificate=True),
    "bytes, without sni and without a name": Case(
        entry(TCP, ADDRESS) + rule(f"{{{SIMPLE}}}"), "http://192.0.2.50:5000/", ("b.test",), sni="", alpn=""
    ),
    "bytes, with sni and a name": Case(
        entry(TCP, ADDRESS) + rule(f"{{{SIMPLE}, sni: c.test, subjectAltNames: [b.test]}}"),
        "http://192.0.2.50:5000/",
        ("b.test",),
        sni="c.test",
        alpn="",
    ),
    "bytes, and another name": Case(
        entry(TCP, ADDRESS) + rule(f"{{{SIMPLE}, sni: c.test, subjectAltNames: [b.test]}}"),
        "http://192.0.2.50:5000/",
        sni=None,
    ),
    "TLS of the client, as it is": Case(entry(HTTPS), "https://a.test/", alpn=""),
    "TLS of the client within that of the rule": Case(
        entry(HTTPS) + rule(f"{{{SIMPLE}, sni: a.test}}"), "https://a.test/", sni=None
    ),
    "TLS of the client within that of the mesh": Case(
        entry(HTTPS) + MESH + NESTED, "https://a.test/", alpn=""
    ),
    "TLS of the client through a gateway that passes it on": Case(
        entry(HTTPS) + PASSED, "https://a.test/", alpn=""
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_the_server_sees_was_predicted(case: Case, tmp_path: Path) -> None:
    resources = load_text(case.text, "in.yaml")
    registry = build_registry(resources, INVENTORY)
    known = {f"{SERVER[0]}:{SERVER[1]}": ServerCertificate("the server", case.names)}
    trace = explain(registry, resources, parse_request(case.url), "client", known)
    with contextlib.ExitStack() as stack:

        def play(authority):
            return {SERVER: ("127.0.0.1", stack.enter_context(tls_server(authority, list(case.names))).port)}

        world = stack.enter_context(running(registry, tmp_path, play))
        seen = _call(world, case.url, trace)

    (ending,) = trace.endings()
    if case.sni is None:
        assert seen is None
        assert ending.outcome.is_failure
        return
    assert seen is not None
    assert (seen["sni"], seen["certificate"], seen["alpn"]) == (case.sni, case.certificate, case.alpn)
    assert not ending.outcome.is_failure
    reported = _last_tls(trace)
    assert (f"SNI {case.sni}" if case.sni else "without SNI") in reported or f"SNI is {case.sni}" in reported


def _last_tls(trace: Trace) -> str:
    hop, text = trace.hop, ""
    while hop is not None:
        branch = hop.branches[0]
        steps = [step for step in (*hop.steps, *branch.steps) if step.kind == "tls"]
        text = " ".join((steps[-1].text, *steps[-1].notes)) if steps else text
        hop = branch.hop
    return text


def _call(world: World, url: str, trace: Trace) -> dict | None:
    request = parse_request(url)
    bind, _, port = trace.hop.steps[0].text.rpartition("_")
    connection = http.client.HTTPConnection(
        "127.0.0.1", world.listeners["client"][bind, int(port)], timeout=PATIENCE_S
    )
    try:
        connection.connect()
        if request.has_tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection.sock = context.wrap_socket(connection.sock, server_hostname=request.host)
        connection.request("GET", "/", headers={"Host": request.authority})
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
