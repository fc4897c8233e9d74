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
    return expected_peers(prepared, material, topology), Matcher.of(topology, material).peers


def test_of_one_set_it_is_that_set(pytestconfig, tmp_path):
    shipped = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls")

    found, first_set = expected(override(shipped, key="ecdsa-p256"), tmp_path)

    assert set(found.servers) == set(first_set.servers)
    assert {node: set(each) for node, each in found.clients.items()} == {
        node: set(each) for node, each in first_set.clients.items()
    }


def test_an_own_file_of_a_credential_is_what_its_node_must_see(tmp_path):
    serial = own_files(tmp_path / "scenario")
    partner = {"cert": "client.crt", "key": "client.key", "ca": "partner.crt", "issuer": "company.crt"}
    folder = write(tmp_path / "scenario", {"front": {}, "partner": {**partner, "set": "theirs"}})

    found, first_set = expected(load_scenario(folder), tmp_path)

    own = Certificate("CN=app-17,O=egress-bench", serial)
    assert {node: set(each) for node, each in found.clients.items()} == {"nginx01": {own}}
    assert {each.serial for each in found.servers} != {each.serial for each in first_set.servers}
