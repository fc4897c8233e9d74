"""Which proxies a folder without an inventory has, and each assumption with its reason."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from bench.commands.check import check_sources
from bench.commands.explanation import explanation_of
from bench.commands.translation import write_translation
from bench.errors import InputError
from bench.istio.files import STDIN
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.scenario.assumed import Assumed, assume_inventory
from bench.scenario.folder import credential_files
from bench.scenario.read import read_folder

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.partner.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 198.18.0.1}]
"""
GATEWAY = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [api.partner.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: istio-system}
spec:
  hosts: [api.partner.example]
  gateways: [mesh, out]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [out], port: 80}]
    route: [{destination: {host: api.partner.example, port: {number: 80}}}]
"""
SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: my-egress, namespace: edge}
spec: {selector: {istio: egressgateway, app: my-egress}, ports: [{name: http2, port: 80, targetPort: 8080}]}
"""


def pod(name: str, namespace: str, labels: str, ip: str, container: str = "istio-proxy") -> str:
    return f"""
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {labels}}}
spec: {{serviceAccountName: sa-{name}, containers: [{{name: app}}, {{name: {container}}}]}}
status: {{podIP: {ip}, phase: Running}}
"""


def deployment(name: str, namespace: str, labels: str) -> str:
    return f"""
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{replicas: 3, template: {{metadata: {{labels: {labels}}}, spec: {{containers: []}}}}}}
"""


def namespace(name: str, labels: str) -> str:
    return f"\n---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {labels}}}\n"


def assumed_of(text: str) -> Assumed:
    return assume_inventory(load_text(text, "egress.yaml"), credential_files)


def reported(assumed: Assumed) -> str:
    return "\n".join(map(str, assumed.assumptions))


def test_resources_alone_make_a_client_a_gateway_and_its_service():
    found = assumed_of(ENTRY + GATEWAY)

    client, gateway = found.inventory.proxies["client"], found.inventory.proxies["egressgateway"]
    assert (client.role, client.namespace, client.ip) == ("sidecar", "shop", "198.18.0.3")
    assert (gateway.role, gateway.namespace, gateway.labels) == (
        "gateway",
        "istio-system",
        {"istio": "egressgateway"},
    )
    (service,) = found.inventory.services
    assert (service.name, service.namespace, service.selector) == (
        "istio-egressgateway",
        "istio-system",
        {"istio": "egressgateway"},
    )
    assert [(port.name, port.port) for port in service.ports] == [("http2", 80)]
    assert str(found.services[0]) == "egress.yaml:28"


def test_port_80_of_the_gateway_keeps_its_name_where_a_server_ends_the_meshs_tls_there():
    """As Istio's task on TLS origination at an egress gateway has it: clients send it HTTP routes."""
    mutual = GATEWAY.replace("protocol: HTTP}", "protocol: HTTPS}, tls: {mode: ISTIO_MUTUAL}")
    assert mutual != GATEWAY

    (service,) = assumed_of(ENTRY + mutual).inventory.services

    assert [(port.name, port.port) for port in service.ports] == [("http2", 80)]


def test_each_assumption_says_where_and_why():
    text = reported(assumed_of(ENTRY + GATEWAY))

    assert "outbound REGISTRY_ONLY" in text
    assert "egress.yaml:4: client: a sidecar represents every client in the namespace shop; no Pod" in text
    assert "egress.yaml:17: egressgateway: Gateway istio-system/out selects istio=egressgateway" in text
    assert "the Service istio-system/istio-egressgateway is called and not in the YAML" in text


def test_a_service_places_the_gateway_that_it_leads_to():
    found = assumed_of(ENTRY + GATEWAY + SERVICE)

    gateway = found.inventory.proxies["my-egress"]
    assert (gateway.namespace, gateway.labels) == ("edge", {"istio": "egressgateway", "app": "my-egress"})


def test_pods_are_taken_as_they_are():
    gateway_pod = pod("out-1", "edge", "{istio: egressgateway, app: out}", "10.1.0.9")
    client_pod = pod("web-1", "shop", "{app: web}", "10.1.0.5")
    bare_pod = pod("db-1", "shop", "{app: db}", "10.1.0.6", container="sql")
    found = assumed_of(ENTRY + GATEWAY + gateway_pod + client_pod + bare_pod)

    assert {name: (each.role, each.namespace, each.ip) for name, each in found.inventory.proxies.items()} == {
        "web": ("sidecar", "shop", "10.1.0.5"),
        "out": ("gateway", "edge", "10.1.0.9"),
    }
    assert found.inventory.proxies["web"].service_account == "sa-web-1"
    assert "web" not in reported(found)


SLICE = """
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: my-egress-x, namespace: edge, labels: {kubernetes.io/service-name: my-egress}}
addressType: IPv4
ports: [{name: http2, port: 8080}]
endpoints: [{addresses: [10.1.0.9]}, {addresses: [10.1.4.2]}]
"""
LABELS = "{istio: egressgateway, app: my-egress}"


@pytest.mark.parametrize(
    ("runs", "name"),
    [
        pytest.param(
            pod("a", "edge", LABELS, "10.1.0.9") + pod("b", "edge", LABELS, "10.1.4.2"),
            "my-egress",
            id="pods",
        ),
        pytest.param(SERVICE + SLICE, "my-egress", id="slices alone"),
        pytest.param(
            SERVICE + SLICE + deployment("gw", "edge", LABELS), "my-egress", id="a Deployment and slices"
        ),
    ],
)
def test_a_gateway_has_as_many_proxies_as_pods(runs, name):
    """Whoever balances over its Service reaches each of them."""
    proxies = assumed_of(ENTRY + GATEWAY + runs).inventory.proxies

    gateways = {key: (each.ip, each.replica_of) for key, each in proxies.items() if each.role == "gateway"}
    assert gateways == {name: ("10.1.0.9", None), f"{name}-2": ("10.1.4.2", name)}


def test_pods_of_another_gateway_with_the_same_labels_are_no_replicas():
    runs = pod("a", "edge", LABELS, "10.1.0.9") + pod("b", "elsewhere", LABELS, "10.1.4.2")

    proxies = assumed_of(ENTRY + GATEWAY + runs).inventory.proxies

    assert [each.ip for each in proxies.values() if each.role == "gateway"] == ["10.1.0.9"]


def test_a_deployment_of_several_pods_says_how_to_run_as_many():
    made = deployment("out", "edge", "{istio: egressgateway}")

    assert "One pod runs here of its 3: `replicas: 3` runs as many." in reported(
        assumed_of(ENTRY + GATEWAY + made)
    )


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({"role": "gateway", "replicaOf": "nobody"}, id="of nobody"),
        pytest.param({"role": "sidecar", "replicaOf": "out"}, id="a sidecar"),
        pytest.param({"role": "gateway", "replicaOf": "client"}, id="of a sidecar"),
        pytest.param({"role": "gateway", "replicaOf": "second"}, id="of itself"),
    ],
)
def test_a_replica_is_one_of_a_gateways_first_pod(second):
    proxies = {
        "client": {"role": "sidecar", "ip": "10.0.0.1"},
        "out": {"role": "gateway", "ip": "10.0.0.2"},
        "second": {"ip": "10.0.0.3", **second},
    }

    with pytest.raises(ValueError, match="second is a replica of"):
        Inventory.model_validate({"proxies": proxies})


def test_deployments_represent_pods_that_are_not_there():
    made = deployment("web", "shop", "{app: web}") + deployment("out", "edge", "{istio: egressgateway}")
    found = assumed_of(ENTRY + GATEWAY + made)

    assert {name: each.namespace for name, each in found.inventory.proxies.items()} == {
        "web": "shop",
        "out": "edge",
    }
    assert "web runs as Deployment shop/web says; it has no address yet" in reported(found)


def test_a_namespace_without_injection_has_no_sidecars():
    made = deployment("web", "shop", "{app: web}") + deployment("job", "plain", "{app: job}")
    spaces = namespace("shop", "{istio-injection: enabled}") + namespace("plain", "{}")
    found = assumed_of(ENTRY + made + spaces)

    assert list(found.inventory.proxies) == ["web"]


def test_workloads_that_nothing_distinguishes_are_one_client():
    """A whole cluster's Pods do not make a proxy each."""
    pods = "".join(pod(f"web-{n}", f"team-{n}", f"{{app: web-{n}}}", f"10.1.1.{n}") for n in range(40))
    found = assumed_of(ENTRY + pods)

    assert list(found.inventory.proxies) == ["web-0"]
    assert "web-0 represents 39 more workloads that no resource treats differently" in reported(found)


def test_labels_that_a_rule_asks_for_make_a_client_of_their_own():
    rule = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec: {host: api.partner.example, workloadSelector: {matchLabels: {tier: gold}}}
"""
    found = assumed_of(ENTRY + rule)
    assert [dict(each.labels) for each in found.inventory.proxies.values()] == [{}, {"tier": "gold"}]

    pods = pod("a-1", "shop", "{app: a}", "10.1.0.5") + pod("b-1", "shop", "{app: b, tier: gold}", "10.1.0.6")
    assert list(assumed_of(ENTRY + rule + pods).inventory.proxies) == ["a", "b"]


def test_namespaces_that_a_resource_is_exported_to_have_clients():
    found = assumed_of(ENTRY.replace("spec:", 'spec:\n  exportTo: [".", other]', 1))

    assert {each.namespace for each in found.inventory.proxies.values()} == {"shop", "other"}


def test_mesh_tls_and_credentials_are_taken_as_given():
    rule = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: istio-system}
spec:
  host: api.partner.example
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL}
    portLevelSettings: [{port: {number: 443}, tls: {mode: MUTUAL, credentialName: partner}}]
"""
    found = assumed_of(ENTRY + rule)

    assert found.inventory.workload is not None
    assert list(found.inventory.credentials) == ["partner"]
    assert "certificates of the workloads are those of Istio's agent" in reported(found)


def written(tmp_path):
    (tmp_path / "egress.yaml").write_text(ENTRY + GATEWAY)
    return tmp_path


def test_check_looks_at_effects_without_an_inventory(tmp_path):
    folder = written(tmp_path)
    sound = check_sources([folder])
    assert [each for each in sound.findings if each.level.word != "info"] == []
    assert any(note.startswith("assumed: ") and "egressgateway" in note for note in sound.notes)

    (folder / "egress.yaml").write_text(ENTRY.replace("spec:", 'spec:\n  exportTo: ["."]', 1) + GATEWAY)
    hidden = check_sources([folder])
    assert "EB0101" in {each.code for each in hidden.findings}


def test_a_selector_that_no_written_pod_has_stays_an_error(tmp_path):
    other = pod("out-1", "istio-system", "{istio: ingressgateway}", "10.1.0.9")
    (tmp_path / "egress.yaml").write_text(ENTRY + GATEWAY + other)

    assert "IST0101" in {each.code for each in check_sources([tmp_path]).findings}


def test_explain_and_translate_need_no_file_of_ours(tmp_path):
    folder = written(tmp_path)

    explained = explanation_of(folder, "http://api.partner.example/")
    assert [each.outcome.kind for each in explained.trace.endings()] == ["endpoint"]
    assert any("client" in each for each in explained.assumptions)

    made = write_translation(folder, role="egress", config_source="static", out=tmp_path / "out")
    assert made.proxy == "egressgateway"
    assert json.loads(json.dumps(made.document()))["assumptions"] == list(explained.assumptions)


def test_standard_input_is_a_folder_too(tmp_path, monkeypatch):
    """What ``kubectl get -o yaml`` writes, with status, managedFields and the last applied text."""
    items = load_text(ENTRY + GATEWAY, "x.yaml")
    noise = {
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "resourceVersion": "1",
        "uid": "2",
    }
    listed = [each.written() for each in items]
    for each in listed:
        each["metadata"] = {**each["metadata"], **noise}
        each["status"] = {"observedGeneration": "1", "validationMessages": []}
    text = json.dumps(
        {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": listed}
    )
    for command in (
        lambda: check_sources([STDIN]).notes,
        lambda: explanation_of(STDIN, "http://api.partner.example/").trace,
        lambda: write_translation(STDIN, role="egress", config_source="eds", out=tmp_path / "out"),
    ):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
        assert command()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    assert read_folder(STDIN).resources.warnings == ()


def test_nothing_on_standard_input_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    with pytest.raises(InputError, match="no Istio resource"):
        explanation_of(STDIN, "http://api.partner.example/")
