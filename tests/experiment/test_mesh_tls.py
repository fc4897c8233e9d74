"""ISTIO_MUTUAL between sidecar and gateway, with the certificates that the suite makes for a scenario."""

import http.client
import json
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from bench.certs.material import rotate
from bench.commands.explanation import explain_folder
from bench.commands.translation import write_translation
from bench.errors import UnsupportedError
from bench.preparation import make_material, prepare
from bench.scenario.load import load_scenario
from bench.stack.local import LocalStack
from bench.telemetry.admin import Admin
from bench.verify.verifier import Verifier
from tests.support.waiting import PATIENCE_S

HOST = "shop.example.org"
ISTIO = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop, namespace: istio-system}
spec:
  hosts: [shop.example.org]
  ports:
  - {number: 80, name: http, protocol: HTTP}
  - {number: 443, name: tls, protocol: HTTP}
  resolution: STATIC
  endpoints: [{address: 192.0.2.63}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: istio-system}
spec:
  hosts: [shop.example.org]
  gateways: [mesh, out]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: egress.istio-system.svc.cluster.local, port: {number: 8443}}}]
  - match: [{gateways: [out], port: 8443}]
    route: [{destination: {host: shop.example.org, port: {number: 443}}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers:
  - port: {number: 8443, name: https, protocol: HTTPS}
    hosts: [shop.example.org]
    tls: {mode: ISTIO_MUTUAL%s}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: egress, namespace: istio-system}
spec:
  host: egress.istio-system.svc.cluster.local
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: shop.example.org%s}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop, namespace: istio-system}
spec:
  host: shop.example.org
  trafficPolicy:
    tls:
      mode: MUTUAL
      clientCertificate: /certs/tls.crt
      privateKey: /certs/tls.key
      caCertificates: /certs/ca.crt
      subjectAltNames: [shop.example.org]
"""
SCENARIO = {
    "name": "mesh-tls",
    "inventory": {
        "semantics": "current",
        "proxies": {
            "sleep": {"role": "sidecar", "ip": "10.1.0.5", "interception": "none"},
            "egress": {
                "role": "gateway",
                "namespace": "istio-system",
                "labels": {"istio": "egressgateway"},
                "serviceAccount": "egress-account",
                "ip": "10.1.0.9",
                "interception": "none",
            },
        },
        "services": [
            {
                "name": "egress",
                "namespace": "istio-system",
                "selector": {"istio": "egressgateway"},
                "ports": [{"name": "https", "port": 8443}],
            }
        ],
    },
    "nodes": {"nginx01": {"plays": "192.0.2.63:443", "page": "v1"}},
    "tls": {
        "key": "ecdsa-p256",
        "server_names": [f"DNS:{HOST}"],
        "files": {"/certs/tls.crt": "client.crt", "/certs/tls.key": "client.key", "/certs/ca.crt": "ca.crt"},
        "workload": {
            "key": "ecdsa-p256",
            "certificate": "/etc/certs/cert-chain.pem",
            "private_key": "/etc/certs/key.pem",
            "ca": "/etc/certs/root-cert.pem",
        },
    },
    "traffic": {
        "client": "sleep",
        "gateway": "egress",
        "url": f"http://{HOST}/",
        "subsets": {"v1": {"expect": {"nodes": ["nginx01"]}}},
    },
}


def scenario_in(
    folder: Path, *, server_names: str = "", client_names: str = "", workload: bool = True
) -> Path:
    """Write the scenario into *folder*."""
    (folder / "istio").mkdir(parents=True)
    names = [f", subjectAltNames: [{each!r}]" if each else "" for each in (server_names, client_names)]
    (folder / "istio" / "all.yaml").write_text(ISTIO % tuple(names))
    written = json.loads(json.dumps(SCENARIO))
    if not workload:
        del written["tls"]["workload"]
    (folder / "scenario.yaml").write_text(yaml.safe_dump(written))
    return folder


def call(folder: Path, tmp_path: Path) -> tuple[int, int]:
    """Send one request along the path; give its status and the gateway's count of mutual handshakes."""
    loaded = load_scenario(folder)
    material = make_material(loaded, tmp_path / "material")
    with LocalStack(prepare(loaded).stack_spec("mesh-tls", "static", material)) as stack:
        address = stack.component("sleep").addresses["0.0.0.0", 80]
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
        connection.request("GET", "/", headers={"Host": HOST})
        status = connection.getresponse().status
        connection.close()
        with Admin(stack.component("egress").admin_url) as admin:
            (handshakes,) = admin.stats("^listener.*ssl.handshake$").values()
            return status, handshakes


@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.parametrize(
    ("folder_options", "status", "handshakes"),
    [
        ({"server_names": "spiffe://cluster.local/ns/default/sa/default"}, 200, 1),
        ({"server_names": "spiffe://cluster.local/ns/default/sa/other"}, 503, 0),
        ({"client_names": "spiffe://cluster.local/ns/istio-system/sa/other"}, 503, 0),
    ],
    ids=["client named", "client refused", "gateway refused"],
)
def test_sidecar_and_gateway_know_each_other_by_their_workloads_certificates(
    tmp_path, folder_options, status, handshakes
):
    """The account that the inventory names is demanded without a message; a wrong name ends in 503."""
    folder = scenario_in(tmp_path / "scenario", **folder_options)
    assert call(folder, tmp_path) == (status, handshakes)


def test_a_name_that_the_gateway_cannot_bear_is_the_yamls_fault_and_no_contradiction_of_ours(tmp_path):
    """Routing knows no certificates, and explain does: both are right, and the request is asked."""
    wrong = "spiffe://cluster.local/ns/istio-system/sa/other"
    loaded = load_scenario(scenario_in(tmp_path / "scenario", client_names=wrong))
    trace = explain_folder(tmp_path / "scenario", f"http://{HOST}/")

    assert [each.outcome.cause for each in trace.endings()] == ["wrong-name"]
    assert Verifier(prepare(loaded), None).contradictions() == ()


def test_each_workload_gets_a_certificate_of_its_own_that_rotates(tmp_path):
    """Its only name is the identity of its account; the mesh's authority is not the one of the nodes."""
    material = make_material(load_scenario(scenario_in(tmp_path / "scenario")), tmp_path / "material")
    for live in (material.live.resolve(), rotate(material).live.resolve()):
        ca = x509.load_pem_x509_certificate((live / "workload-ca.crt").read_bytes())
        assert ca.public_key() != material.authority.certificate.public_key()
        for proxy, account in (
            ("sleep", "ns/default/sa/default"),
            ("egress", "ns/istio-system/sa/egress-account"),
        ):
            leaf = x509.load_pem_x509_certificate((live / f"workload-{proxy}.crt").read_bytes())
            leaf.verify_directly_issued_by(ca)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert list(names) == [x509.UniformResourceIdentifier(f"spiffe://cluster.local/{account}")]
            assert (live / f"workload-{proxy}.key").stat().st_mode & 0o077 == 0
    assert not list((tmp_path / "material" / "1").glob("workload-ca.key"))


def test_without_workload_certificates_the_scenario_is_refused_with_the_place_to_name_them(tmp_path):
    """The DestinationRule's line, and what to write."""
    folder = scenario_in(tmp_path / "scenario", workload=False)
    with pytest.raises(UnsupportedError, match=r"all\.yaml:\d+: tls mode ISTIO_MUTUAL .*tls\.workload"):
        prepare(load_scenario(folder))


@pytest.mark.parametrize("role", ["sidecar", "egress"])
def test_translation_by_hand_takes_the_names_from_the_scenario(tmp_path, role):
    """The files are those that the scenario names; a warning says that they are not there yet."""
    folder = scenario_in(tmp_path / "scenario")
    written = write_translation(folder, role=role, config_source="static", out=tmp_path / "out")
    secrets = "".join(path.read_text() for path in written.files if "sds" in path.parts)
    for name in ("cert-chain.pem", "key.pem", "root-cert.pem"):
        assert f"/etc/certs/{name}" in secrets
        assert any(name in warning for warning in written.warnings)
