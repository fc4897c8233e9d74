"""Client certificates as Istio's egress tasks write them: whom each node sees, and what is missing."""

import http.client

import pytest
import yaml

from bench.certs import Authority
from bench.commands.check import check_sources
from bench.experiment.instruments import await_logs
from bench.preparation import Variation, make_material, prepare
from bench.scenario.load import load_scenario
from bench.stack.local import LocalStack
from bench.telemetry import GATEWAY_FIELDS, read_node_log
from bench.verify.diagnosis import remedy_for
from bench.verify.verifier import Verifier
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]

AT_THE_SIDECAR = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: originate-mtls-for-nginx}
spec:
  hosts: [my-nginx.mesh-external.example]
  ports:
  - {number: 80, name: http-port, protocol: HTTP, targetPort: 443}
  - {number: 443, name: https-port, protocol: HTTPS}
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: originate-mtls-for-nginx}
spec:
  workloadSelector: {matchLabels: {app: curl}}
  host: my-nginx.mesh-external.example
  trafficPolicy:
    portLevelSettings:
    - port: {number: 80}
      tls:
        mode: %s
        credentialName: client-credential
        sni: my-nginx.mesh-external.example
        subjectAltNames: [my-nginx.mesh-external.example]
"""
AT_THE_GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: {name}}
spec:
  hosts: [{name}.example]
  ports:
  - {number: 80, name: http, protocol: HTTP}
  - {number: 443, name: https, protocol: HTTPS}
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: direct-{name}-through-egress-gateway}
spec:
  hosts: [{name}.example]
  gateways: [istio-egressgateway, mesh]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [istio-egressgateway], port: 80}]
    route: [{destination: {host: {name}.example, port: {number: 443}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: originate-mtls-for-{name}, namespace: istio-system}
spec:
  host: {name}.example
  exportTo: ["."]
  trafficPolicy:
    portLevelSettings:
    - port: {number: 443}
      tls:
        mode: MUTUAL
        credentialName: {name}-credential
        sni: {name}.example
        subjectAltNames: [{name}.example]
---
"""
GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: istio-egressgateway}
spec:
  selector: {istio: egressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
"""
CLIENT = {
    "role": "sidecar",
    "namespace": "default",
    "labels": {"app": "curl"},
    "ip": "10.0.0.5",
    "interception": "none",
}
EGRESS = {
    "role": "gateway",
    "namespace": "istio-system",
    "labels": {"istio": "egressgateway"},
    "ip": "10.0.0.9",
}
SERVICE = {
    "name": "istio-egressgateway",
    "namespace": "istio-system",
    "selector": {"istio": "egressgateway"},
    "ports": [{"name": "http2", "port": 80}],
}


def write(folder, istio, *, nodes, credentials, sets=None, gateway=False):
    """*nodes*: name -> host that it plays on port 443, and the set of its certificates."""
    (folder / "istio").mkdir(parents=True, exist_ok=True)
    (folder / "istio" / "all.yaml").write_text(istio)
    scenario = {
        "name": "identities",
        "inventory": {"semantics": "current", "proxies": {"curl": CLIENT}},
        "nodes": {
            name: {"plays": f"{host}:443", "tls": "mutual", **({"set": of} if of else {})}
            for name, (host, of) in nodes.items()
        },
        "tls": {
            "key": "ecdsa-p256",
            "server_names": [f"DNS:{host}" for host, _ in nodes.values()],
            "client_name": "ours",
            "credentials": credentials,
            **({"sets": sets} if sets else {}),
        },
        "traffic": {
            "client": "curl",
            "requests": {
                name: {"url": f"http://{host}/", "expect": {"nodes": [name]}}
                for name, (host, _) in nodes.items()
            },
            "schedule": {"kind": "constant", "arrival_rate": 100},
            "measure_s": 1,
        },
    }
    if gateway:
        scenario["inventory"]["proxies"]["egress"] = EGRESS
        scenario["inventory"]["services"] = [SERVICE]
        scenario["traffic"]["gateway"] = "egress"
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario, sort_keys=False))
    return folder


def at_the_sidecar(folder, mode="MUTUAL", **credentials):
    return write(
        folder,
        AT_THE_SIDECAR % mode,
        nodes={"nginx": ("my-nginx.mesh-external.example", None)},
        credentials=credentials or {"client-credential": {}},
    )


def at_the_gateway(folder, credentials):
    resources = "".join(AT_THE_GATEWAY.replace("{name}", name) for name in ("billing", "orders"))
    return write(
        folder,
        resources + GATEWAY,
        nodes={"billing": ("billing.example", "theirs"), "orders": ("orders.example", "others")},
        credentials=credentials,
        sets={
            "theirs": {"server_names": ["DNS:billing.example"], "client_name": "we-at-billing"},
            "others": {"server_names": ["DNS:orders.example"], "client_name": "we-at-orders"},
        },
        gateway=True,
    )


def calls(folder, tmp_path):
    """Request -> status and what its node logged of the client's certificate."""
    loaded = load_scenario(folder)
    material = make_material(loaded, tmp_path / "material")
    found = {}
    with LocalStack(prepare(loaded).stack_spec("identities", "static", material)) as stack:
        for name, node in loaded.scenario.nodes.items():
            connection = http.client.HTTPConnection(
                *stack.component("curl").addresses["0.0.0.0", 80], timeout=30
            )
            connection.request("GET", "/", headers={"Host": node.address[0]})
            status = connection.getresponse().status
            connection.close()
            log = stack.component(name).access_log
            if status != 503:
                wait_until(lambda log=log: list(read_node_log(log)))
            lines = list(read_node_log(log))
            found[name] = (status, lines[0].client_subject if lines else None)
    return found


def verified(folder, tmp_path):
    """The run's own calls before any load, the wrong ones with their causes."""
    loaded = load_scenario(folder)
    material = make_material(loaded, tmp_path / "material")
    prepared = prepare(loaded)
    logging = Variation(access_log=GATEWAY_FIELDS, sidecar_access_log=GATEWAY_FIELDS)
    with LocalStack(prepared.stack_spec("identities", "static", material, logging)) as stack:
        verifier = Verifier(prepared, material)
        lines = verifier.ask_scenario(stack)

        return [line for line in verifier.look_into(stack, lines, await_logs) if not line.passed]


def test_a_sidecar_presents_the_credential_of_a_rule_that_selects_it(tmp_path):
    folder = at_the_sidecar(tmp_path / "scenario")

    assert calls(folder, tmp_path) == {"nginx": (200, "CN=ours,O=egress-bench")}
    assert verified(folder, tmp_path / "again") == []


def test_each_node_sees_the_identity_that_was_made_for_it(tmp_path):
    folder = at_the_gateway(
        tmp_path / "scenario",
        {"billing-credential": {"set": "theirs"}, "orders-credential": {"set": "others"}},
    )

    assert calls(folder, tmp_path) == {
        "billing": (200, "CN=we-at-billing,O=egress-bench"),
        "orders": (200, "CN=we-at-orders,O=egress-bench"),
    }


def test_identities_that_are_mixed_up_are_refused_and_named_with_node_identity_and_line(tmp_path):
    """Each gateway's rule trusts the right server, and presents the certificate for the other one."""
    credentials = {
        "billing-credential": {"set": "others"},
        "billing-credential-cacert": {"set": "theirs"},
        "orders-credential": {"set": "theirs"},
        "orders-credential-cacert": {"set": "others"},
    }
    folder = at_the_gateway(tmp_path / "scenario", credentials)

    wrong = [line for line in verified(folder, tmp_path) if line.kind == "call"]

    assert {line.name for line in wrong} == {"billing from curl", "orders from curl"}
    for line, identity in zip(wrong, ("we-at-orders", "we-at-billing"), strict=True):
        node = line.name.partition(" ")[0]
        assert (line.cause.hop, line.cause.fault, line.cause.client_certificate) == (node, "node", "refused")
        assert identity in line.cause.transport_failure
        (place,) = line.cause.where
        assert f"(policy: DestinationRule istio-system/originate-mtls-for-{node})" in place
        assert place in remedy_for([line])


def test_the_trust_bundle_of_its_own_counts_before_that_of_the_certificates_secret(tmp_path):
    (tmp_path / "scenario").mkdir()
    (tmp_path / "scenario" / "stranger.crt").write_bytes(Authority.create("stranger").certificate_pem)
    both = {"billing-credential": {"set": "theirs"}, "orders-credential": {"set": "others"}}

    right = at_the_gateway(
        tmp_path / "scenario", {**both, "billing-credential-cacert": {"set": "theirs", "ca": "stranger.crt"}}
    )
    assert calls(right, tmp_path / "right")["billing"][0] == 200

    # This one does not hold who signed the node's certificate.
    wrong = at_the_gateway(tmp_path / "scenario", {**both, "billing-credential-cacert": {"set": "others"}})
    found = calls(wrong, tmp_path / "wrong")
    assert (found["billing"], found["orders"][0]) == ((503, None), 200)


def test_a_secret_of_the_ca_alone_is_enough_where_no_client_certificate_is_presented(tmp_path):
    folder = at_the_sidecar(tmp_path / "scenario", "SIMPLE", **{"client-credential-cacert": {}})
    scenario = yaml.safe_load((folder / "scenario.yaml").read_text())
    scenario["nodes"]["nginx"]["tls"] = "simple"
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))

    assert calls(folder, tmp_path)["nginx"][0] == 200


def test_a_secret_of_the_ca_alone_is_no_client_certificate(tmp_path):
    folder = at_the_sidecar(tmp_path / "scenario", "MUTUAL", **{"client-credential-cacert": {}})

    findings = [each.reason for each in check_sources([folder]).findings]

    assert any("credentialName 'client-credential'" in reason for reason in findings)


def test_a_client_certificate_that_is_missing_is_named_with_node_and_line_before_any_load(tmp_path):
    folder = at_the_sidecar(tmp_path / "scenario", "SIMPLE")

    (line,) = [line for line in verified(folder, tmp_path) if line.kind == "call"]

    assert (line.got, line.cause.hop, line.cause.fault) == ("400 from nginx", "nginx", "node")
    assert (line.cause.client_certificate, line.cause.transport_failure) == ("missing", "NONE")
    (place,) = line.cause.where
    assert "all.yaml:19 (policy: DestinationRule default/originate-mtls-for-nginx)" in place
    remedy = remedy_for([line])
    assert "nginx is the right node and demands a client certificate, and the path presents none" in remedy
    assert place in remedy
