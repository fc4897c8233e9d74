"""The way of the traffic, read from the translation of the shapes that the shipped scenarios have."""

import pytest
import yaml

from bench.measure import way_of
from bench.preparation import make_material, prepare
from bench.scenario.load import load_scenario


@pytest.fixture
def way(pytestconfig, tmp_path):
    """Of a shipped scenario, with ``change`` done to its YAML."""

    def make(name, change=lambda _: None):
        shipped = pytestconfig.rootpath / "scenarios" / name
        written = yaml.safe_load((shipped / "scenario.yaml").read_text())
        written.setdefault("tls", {})["key"] = "ecdsa-p256"
        written["istio"] = str(shipped / "istio")
        change(written)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "scenario.yaml").write_text(yaml.safe_dump(written))
        loaded = load_scenario(folder)
        return way_of(prepare(loaded), make_material(loaded, tmp_path / f"material-{name}"))

    return make


def hops(found):
    return [(each.source, each.target, each.port, each.carries, each.tls) for each in found.links]


def test_the_walkthrough_is_plain_to_the_gateway_and_mutual_behind_it(way):
    found = way("egress-mtls")

    assert [(part.role, part.name, part.address) for part in found.parts] == [
        ("client", "sleep", ""),
        ("sidecar", "sleep", "10.233.64.5"),
        ("gateway", "egress", "10.233.64.9"),
        ("node", "nginx01", "192.168.0.63:443"),
        ("node", "nginx02", "192.168.0.64:443"),
    ]
    assert hops(found) == [
        ("sleep", "sleep", 80, "http", "none"),
        ("sleep", "egress", 80, "http", "none"),
        ("egress", "nginx01", 443, "http", "mutual"),
        ("egress", "nginx02", 443, "http", "mutual"),
    ]
    assert {(each.shown_by_source, each.shown_by_target) for each in found.links[2:]} == {
        ("CN=istio-egressgateway,O=egress-bench", "CN=nginx.external.svc.cluster.local,O=egress-bench")
    }


def test_without_a_gateway_the_sidecar_leads_to_the_nodes(way):
    assert hops(way("direct")) == [
        ("client", "client", 80, "http", "none"),
        ("client", "api", 443, "http", "simple"),
    ]


def test_bytes_and_the_clients_own_tls_are_passed_on(way):
    assert hops(way("tcp")) == [
        ("client", "client", 5432, "bytes", "none"),
        ("client", "egress", 5432, "bytes", "none"),
        ("egress", "db", 5432, "bytes", "none"),
    ]
    passed = way("sni-passthrough")
    assert {link.tls for link in passed.links} == {"client"}
    # The proxies on the way show nothing: the client sees the node's own certificate.
    assert [bool(link.shown_by_target) for link in passed.links] == [False, False, True, True]


def test_with_mutual_tls_of_the_mesh_both_proxies_show_their_identities(way):
    (inside,) = [link for link in way("mesh-mtls").links if link.target == "egress"]

    assert inside.tls == "mutual"
    assert inside.shown_by_source == "spiffe://cluster.local/ns/default/sa/default"
    assert inside.shown_by_target == (
        "spiffe://cluster.local/ns/istio-system/sa/istio-egressgateway-service-account"
    )


def test_each_partner_sees_the_certificate_that_is_for_it(way):
    shown = {link.target: link.shown_by_source for link in way("mutual-tls-per-host").links}

    assert (shown["billing"], shown["orders"]) == ("CN=we-at-a,O=egress-bench", "CN=we-at-b,O=egress-bench")


def test_every_client_and_every_replica_has_its_place(way):
    def several(written):
        proxies = written["inventory"]["proxies"]
        proxies["other"] = {**proxies["client"], "ip": "10.0.0.6"}
        proxies["egress"]["replicas"] = 2
        written["traffic"]["clients"] = ["client", "other"]

    found = way("canary", several)

    assert [part.name for part in found.parts if part.role == "client"] == ["client", "other"]
    assert [(part.name, part.replica_of) for part in found.parts if part.role == "gateway"] == [
        ("egress", None),
        ("egress-2", "egress"),
    ]
    pairs = {(link.source, link.target) for link in found.links}
    assert pairs >= {(client, pod) for client in ("client", "other") for pod in ("egress", "egress-2")}
    assert pairs >= {(pod, node) for pod in ("egress", "egress-2") for node in ("stable", "canary")}


def test_a_node_with_a_certificate_of_its_own_is_shown_with_that(way):
    found = way("sni-passthrough")

    shown = {each.target: each.shown_by_target for each in found.links if each.target_role == "node"}
    assert shown == {
        "wiki": "CN=wiki.partner.example,O=egress-bench",
        "news": "CN=news.partner.example,O=egress-bench",
    }
