"""Who must be at the ends of connections to nodes, by what the translation makes the gateway present."""

from bench.ledger import Certificate
from bench.measure.expected_peers import expected_peers
from bench.measure.request_matching import Matcher
from bench.measure.topology import topology_of
from bench.preparation import make_material, prepare
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from tests.experiment.test_credentials import own_files, write


def expected(loaded, tmp_path):
    prepared = prepare(loaded)
    material, topology = make_material(loaded, tmp_path / "material"), topology_of(prepared, "eds")
    server, client = material.server, material.client
    assert Matcher.of_prepared(prepared, topology, material).peers == expected_peers(
        prepared, material, topology
    )
    return (
        expected_peers(prepared, material, topology),
        Certificate(server.subject, server.serial),
        Certificate(client.subject, client.serial),
    )


def test_of_one_set_it_is_that_set(pytestconfig, tmp_path):
    shipped = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls")

    found, server, client = expected(override(shipped, key="ecdsa-p256"), tmp_path)

    assert set(found.servers) == {server}
    assert {node: set(each) for node, each in found.clients.items()} == {
        "nginx01": {client},
        "nginx02": {client},
    }


def test_an_own_file_of_a_credential_is_what_its_node_must_see(tmp_path):
    serial = own_files(tmp_path / "scenario")
    partner = {"cert": "client.crt", "key": "client.key", "ca": "partner.crt", "issuer": "company.crt"}
    folder = write(tmp_path / "scenario", {"front": {}, "partner": {**partner, "set": "theirs"}})

    found, server, _ = expected(load_scenario(folder), tmp_path)

    own = Certificate("CN=app-17,O=egress-bench", serial)
    assert {node: set(each) for node, each in found.clients.items()} == {"nginx01": {own}}
    assert server not in found.servers
