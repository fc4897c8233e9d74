"""What cannot work is refused before anything starts."""

import re
import shutil
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.measure import topology_of
from bench.preparation import make_material, prepare
from bench.preparation.node_tls import spoken_to
from bench.scenario.load import load_scenario


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree("scenarios/egress-mtls", tmp_path / "scenario"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("virtual-service-egress.yaml", "subset: v1", "subset: v9", r"egress\.yaml:21: .*subset \"v9\""),
        ("virtual-service-egress.yaml", "  - gateway\n", "  - gatewy\n", r"egress\.yaml:9: .*no Gateway"),
        ("destination-rule.yaml", "tls.key", "other.key", r"other\.key, which neither exists nor is made"),
    ],
)
def test_references_that_lead_nowhere_are_refused(folder, file, old, new, says):
    edit(folder / "istio" / file, old, new)

    with pytest.raises(InputError, match=says):
        prepare(load_scenario(folder))


def test_a_url_whose_port_nothing_opens_is_refused(folder):
    edit(folder / "scenario.yaml", "cluster.local/\n", "cluster.local:81/\n")

    with pytest.raises(InputError, match=r"calls port 81, .* its ports: 80, 443"):
        prepare(load_scenario(folder))


def test_configuration_hashes_are_those_of_the_resources_and_not_of_the_place():
    first = prepare(load_scenario(Path("scenarios/egress-mtls"))).config_hashes()
    second = prepare(load_scenario(Path("scenarios/egress-mtls").resolve())).config_hashes()

    assert first == second
    assert len(set(first.values())) == 4


def test_an_endpoint_that_nothing_plays_is_named_with_its_line_and_the_node_to_add(folder):
    edit(folder / "scenario.yaml", '  nginx02: {plays: "192.168.0.64:443", page: v2}\n', "")
    edit(folder / "scenario.yaml", "expect: {nodes: [nginx02],", "expect: {")

    (missing,) = prepare(load_scenario(folder)).missing_stand_ins

    assert str(missing.where).startswith(str(folder / "istio" / "service-entry.yaml:"))
    assert missing.what.startswith("no node plays 192.168.0.64:443, an endpoint of nginx.external")
    assert 'nodes: {nginx: {plays: "192.168.0.64:443", page: nginx}}' in missing.advice


def test_a_port_of_a_gateway_without_a_listener_is_named_with_the_line_of_the_service(folder):
    edit(
        folder / "scenario.yaml",
        "{name: http2, port: 80}",
        "{name: http2, port: 80}\n    - {name: alt, port: 81}",
    )

    (missing,) = prepare(load_scenario(folder)).missing_stand_ins

    assert f"{folder / 'scenario.yaml'}:" in str(missing)
    assert "leads to port 81 of egress, where it has no listener" in missing.what


def test_what_is_played_is_not_named_and_many_missing_ones_are_folded(folder):
    assert prepare(load_scenario(folder)).missing_stand_ins == ()
    ports = "".join(f"\n    - {{name: http-{port}, port: {port}}}" for port in range(8100, 8130))
    edit(folder / "scenario.yaml", "{name: http2, port: 80}", "{name: http2, port: 80}" + ports)

    named = prepare(load_scenario(folder)).missing_stand_ins

    assert len(named) == 10
    assert named[-1].what.startswith("21 more endpoints have no stand-in")


@pytest.mark.parametrize(
    ("tls", "spoken"),
    [
        ("", "mutual"),
        ("SIMPLE", "simple"),
        ("DISABLE", "none"),
    ],
)
def test_a_node_speaks_what_the_proxies_speak_to_it_unless_the_scenario_says_otherwise(folder, tls, spoken):
    if tls:
        rule = folder / "istio" / "destination-rule.yaml"
        text = re.sub(
            r"mode: MUTUAL\n(?:\s+(?:clientCertificate|privateKey|caCertificates): .*\n)+",
            f"mode: {tls}\n",
            rule.read_text(),
        )
        rule.write_text(text)
    prepared = prepare(load_scenario(folder))
    configs = [prepared.configs["egress", "static"]]

    assert {spoken_to(plays, configs) for plays in (("192.168.0.63", 443), ("192.168.0.64", 443))} == {spoken}
    assert spoken_to(("198.51.100.1", 443), configs) == "mutual"


def test_a_credential_name_is_a_file_of_its_set(folder, tmp_path):
    rule = folder / "istio" / "destination-rule.yaml"
    rule.write_text(
        re.sub(
            r"mode: MUTUAL\n(\s+)clientCertificate: .*\n(?:\s+(?:privateKey|caCertificates): .*\n)+",
            r"mode: MUTUAL\n\1credentialName: partner\n",
            rule.read_text(),
        )
    )
    with pytest.raises(InputError, match=r"credentialName 'partner'.*`credentials: \{partner: \{\}\}`"):
        prepare(load_scenario(folder))
    edit(
        folder / "scenario.yaml",
        "  client_name: istio-egressgateway\n",
        "  sets: {theirs: {client_name: ours-for-them}}\n  credentials: {partner: {set: theirs}}\n",
    )
    edit(folder / "scenario.yaml", "key: rsa-4096", "key: ecdsa-p256")

    loaded = load_scenario(folder)
    prepared = prepare(loaded)
    material = make_material(loaded, tmp_path / "material")

    files = prepared.stack_spec("x", "static", material).files
    assert files["credential/partner/tls.crt"] == material.live / "theirs" / "client.crt"
    assert files["credential/partner/ca.crt"] == material.live / "theirs" / "ca.crt"
    assert {"credential/partner/tls.crt", "credential/partner/tls.key"} <= set(
        prepared.configs["egress", "static"].files
    )


TCP_ONLY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [db.partner.example]
  addresses: [192.0.2.50]
  ports: [{number: 5432, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 192.0.2.20}]
"""


def test_a_node_behind_a_tcp_port_gets_a_clients_plain_http_as_it_is(folder):
    """No HTTP route leads there, and no certificate can be demanded of anybody."""
    (folder / "istio" / "db.yaml").write_text(TCP_ONLY)
    edit(
        folder / "scenario.yaml",
        'nginx02: {plays: "192.168.0.64:443", page: v2}',
        'nginx02: {plays: "192.168.0.64:443", page: v2}\n  db: {plays: "192.0.2.20:5432", page: db}',
    )
    edit(
        folder / "scenario.yaml",
        "  schedule: {kind: constant",
        "    db: {url: 'http://db.partner.example:5432', expect: {nodes: [db]}}\n  schedule: {kind: constant",
    )

    prepared = prepare(load_scenario(folder))

    assert {name: prepared.node_tls(name) for name in ("nginx01", "nginx02", "db")} == {
        "nginx01": "mutual",
        "nginx02": "mutual",
        "db": "none",
    }


SENT_ON = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: shop}
spec:
  hosts: [far.example]
  location: MESH_EXTERNAL
  resolution: NONE
  ports: [{number: 443, name: tls, protocol: TLS}]
"""
DIALLED = """
name: dialled
inventory:
  proxies: {client: {role: sidecar, namespace: shop, ip: 10.1.0.5}}
nodes:
  far: {plays: "198.51.100.7:443", tls: simple}
traffic:
  client: client
  addresses: {Far.example: 198.51.100.7}
  requests:
    far: {url: "https://far.example/", expect: {nodes: [far]}}
"""


def sent_on(tmp_path: Path, text: str = DIALLED, more: str = ""):
    (tmp_path / "istio").mkdir(parents=True)
    (tmp_path / "istio" / "far.yaml").write_text(SENT_ON + more)
    (tmp_path / "scenario.yaml").write_text(text)
    return prepare(load_scenario(tmp_path))


def test_what_is_sent_on_is_expected_where_its_client_dials(tmp_path):
    prepared = sent_on(tmp_path)

    assert prepared.missing_stand_ins == ()
    assert prepared.foreseen == ()
    assert prepared.called == {"far.example": ("198.51.100.7",)}
    assert topology_of(prepared, "eds").unread == {"far"}


def test_an_address_that_is_dialled_and_that_no_node_plays_is_named(tmp_path):
    prepared = sent_on(tmp_path, DIALLED.replace("example: 198.51.100.7", "example: 198.51.100.8"))

    (missing,) = prepared.missing_stand_ins
    assert missing.endpoint == ("198.51.100.8", 443)
    assert missing.what.startswith("no node plays 198.51.100.8:443, an endpoint of far.example")
    assert {each.code for each in prepared.foreseen} == {"idle-node"}


def test_what_a_name_is_dialled_at_must_be_an_address(tmp_path):
    with pytest.raises(InputError, match=r"'far' of Far\.example is not an IP address"):
        sent_on(tmp_path, DIALLED.replace("example: 198.51.100.7", "example: far"))


@pytest.mark.parametrize(
    ("text", "addresses", "line"),
    [
        (DIALLED.replace("example: 198.51.100.7", "example: '2001:db8::7'"), "", 9),
        (
            DIALLED.replace("  addresses: {Far.example: 198.51.100.7}\n", ""),
            "  addresses: ['2001:db8::7']\n",
            10,
        ),
    ],
    ids=["written in the scenario", "of the resources"],
)
def test_a_redirected_client_is_not_sent_to_an_address_of_ipv6(tmp_path, text, addresses, line):
    with pytest.raises(InputError, match=rf"scenario\.yaml:{line}: request far dials 2001:db8::7"):
        sent_on(tmp_path, text, addresses)
