"""--mesh-mtls writes ISTIO_MUTUAL for the first hop, as a user would, and refuses what it cannot."""

import shutil
from pathlib import Path

import pytest
import yaml

from bench.errors import InputError
from bench.istio.models import Gateway
from bench.preparation import prepare
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from tests.support.mixed_ways import drafted_mix

WALKTHROUGH = Path("scenarios/egress-mtls")
HOST = "nginx.external.svc.cluster.local"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(WALKTHROUGH, tmp_path / "scenario")
    return tmp_path / "scenario"


def edited(folder, kind, change):
    """Change the spec of the only resource of a kind."""
    for file in (folder / "istio").glob("*.yaml"):
        documents = list(yaml.safe_load_all(file.read_text()))
        for document in documents:
            if document["kind"] == kind:
                change(document["spec"])
        file.write_text(yaml.safe_dump_all(documents))
    return folder


def sockets(loaded, proxy):
    """Names of the transport sockets of a proxy's clusters towards the gateway."""
    config = prepare(loaded).configs[proxy, "static"]
    return {
        cluster.name: cluster.transport_socket.name if cluster.transport_socket is not None else None
        for cluster in config.clusters
        if "istio-egressgateway" in cluster.name
    }


def test_the_first_hop_is_plain_without_and_mutual_with_it():
    plain = load_scenario(WALKTHROUGH)
    secured = override(plain, mesh_mtls=True)

    assert set(sockets(plain, "sleep").values()) == {None}
    assert set(sockets(secured, "sleep").values()) == {"envoy.transport_sockets.tls"}
    (server,) = next(each.spec for each in secured.resources if isinstance(each.spec, Gateway)).servers
    assert (server.port.protocol, server.tls.mode) == ("HTTPS", "ISTIO_MUTUAL")
    assert secured.scenario.tls.workload is not None
    assert plain.scenario.tls.workload is None


def test_what_leads_to_the_nodes_stays_as_it_is():
    loads = [load_scenario(WALKTHROUGH), override(load_scenario(WALKTHROUGH), mesh_mtls=True)]
    clusters = [
        {
            each.name: str(each.transport_socket)
            for each in prepare(loaded).configs["egress", "static"].clusters
        }
        for loaded in loads
    ]

    to_nodes = [name for name in clusters[0] if HOST in name]
    assert to_nodes
    assert all(clusters[0][name] == clusters[1][name] for name in to_nodes)


def test_a_rule_of_the_gateway_keeps_what_it_says_beside_tls(folder):
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "to-gateway", "namespace": "istio-system"},
        "spec": {
            "host": "istio-egressgateway",
            "trafficPolicy": {"connectionPool": {"http": {"maxRequestsPerConnection": 7}}},
        },
    }
    (folder / "istio" / "rule.yaml").write_text(yaml.safe_dump(rule))

    secured = override(load_scenario(folder), mesh_mtls=True)

    (found,) = [each for each in secured.resources.destination_rules if each.name == "to-gateway"]
    assert found.spec.traffic_policy.tls.mode == "ISTIO_MUTUAL"
    assert found.spec.traffic_policy.tls.sni == HOST
    assert found.spec.traffic_policy.connection_pool.http.max_requests_per_connection == 7
    assert not [each for each in secured.resources.destination_rules if "egress-bench" in each.name]


def test_two_servers_have_no_one_server_name_and_are_refused(folder):
    def add(spec):
        spec["servers"].append(
            {"port": {"number": 81, "name": "b", "protocol": "HTTP"}, "hosts": ["b.example"]}
        )

    with pytest.raises(InputError, match="one server of egress, and there are 2"):
        override(load_scenario(edited(folder, "Gateway", add)), mesh_mtls=True)


def test_a_first_hop_that_is_secured_already_is_refused(folder):
    def secure(spec):
        spec["servers"][0]["port"]["protocol"] = "HTTPS"
        spec["servers"][0]["tls"] = {"mode": "ISTIO_MUTUAL"}

    with pytest.raises(InputError, match="no Gateway with a plain HTTP server"):
        override(load_scenario(edited(folder, "Gateway", secure)), mesh_mtls=True)


def test_a_gateway_without_a_service_has_no_rule_to_originate_tls(folder):
    scenario = yaml.safe_load((folder / "scenario.yaml").read_text())
    del scenario["inventory"]["services"][1]["selector"]
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))

    with pytest.raises(InputError, match="no Service of the gateway"):
        override(load_scenario(folder), mesh_mtls=True)


def test_a_gateway_that_also_passes_tls_on_keeps_that_port_as_it_is(tmp_path):
    """A second layer around the client's own TLS would be taken by no server of the gateway."""
    secured = prepare(override(drafted_mix(tmp_path), mesh_mtls=True))

    assert sockets(secured.loaded, "client") == {
        "outbound|80||istio-egressgateway.istio-system.svc.cluster.local": "envoy.transport_sockets.tls",
        "outbound|443||istio-egressgateway.istio-system.svc.cluster.local": None,
    }
    assert secured.foreseen == ()
