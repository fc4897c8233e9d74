"""Certificates by ``credentialName``: of a gateway that ends TLS and starts it, made or given."""

import http.client
import json

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from bench.certs import Authority
from bench.commands.check import check_sources
from bench.commands.explanation import explain_folder
from bench.errors import InputError
from bench.preparation import make_material, prepare
from bench.scenario.load import load_scenario
from bench.stack.local import LocalStack
from bench.telemetry import read_node_log
from tests.experiment.test_mesh_tls import HOST, ISTIO, SCENARIO
from tests.support.waiting import wait_until

RESOURCES = (
    (ISTIO % ("", ""))
    .replace("tls: {mode: ISTIO_MUTUAL}\n", "tls: {mode: MUTUAL, credentialName: front}\n")
    .replace(
        "{mode: ISTIO_MUTUAL, sni: shop.example.org}",
        "{mode: MUTUAL, clientCertificate: /certs/tls.crt, privateKey: /certs/tls.key,"
        " caCertificates: /certs/ca.crt}",
    )
    .replace(
        "      clientCertificate: /certs/tls.crt\n      privateKey: /certs/tls.key\n"
        "      caCertificates: /certs/ca.crt\n",
        "      credentialName: partner\n",
    )
)


def write(folder, credentials):
    (folder / "istio").mkdir(parents=True)
    (folder / "istio" / "all.yaml").write_text(RESOURCES)
    scenario = json.loads(json.dumps(SCENARIO))
    del scenario["tls"]["workload"]
    scenario["tls"]["sets"] = {"theirs": {"client_name": "ours-for-them"}}
    scenario["tls"]["credentials"] = credentials
    scenario["nodes"]["nginx01"]["set"] = "theirs"
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    return folder


def own_files(folder):
    """A client's certificate of a company's CA, and a CA of a partner that signed nothing here."""
    company, partner = Authority.create("company CA"), Authority.create("partner CA")
    client, front = company.issue_client("app-17"), company.issue_server([HOST])
    folder.mkdir(exist_ok=True)
    for name, content in (
        ("client.crt", client.certificate_pem),
        ("client.key", client.key_pem),
        ("front.crt", front.certificate_pem),
        ("front.key", front.key_pem),
        ("company.crt", company.certificate.public_bytes(Encoding.PEM)),
        ("partner.crt", partner.certificate.public_bytes(Encoding.PEM)),
    ):
        (folder / name).write_bytes(content)
    return client.serial


def call(folder, tmp_path):
    """Status of a request along the path, and what the node logged of it."""
    loaded = load_scenario(folder)
    material = make_material(loaded, tmp_path / "material")
    with LocalStack(prepare(loaded).stack_spec("credentials", "static", material)) as stack:
        connection = http.client.HTTPConnection(
            *stack.component("sleep").addresses["0.0.0.0", 80], timeout=30
        )
        connection.request("GET", "/", headers={"Host": HOST})
        status = connection.getresponse().status
        connection.close()
        log = stack.component("nginx01").access_log
        if status == 200:
            wait_until(lambda: list(read_node_log(log)))
        return status, list(read_node_log(log))


@pytest.mark.envoy
@pytest.mark.nginx
def test_what_gateways_name_is_made_for_both_of_their_ends(tmp_path):
    folder = write(tmp_path / "scenario", {"front": {}, "partner": {"set": "theirs"}})

    status, (line,) = call(folder, tmp_path)

    assert status == 200
    assert "ours-for-them" in line.client_subject


@pytest.mark.envoy
@pytest.mark.nginx
def test_own_files_are_presented_and_let_in(tmp_path):
    serial = own_files(tmp_path / "scenario")
    folder = write(
        tmp_path / "scenario",
        {
            "front": {"cert": "front.crt", "key": "front.key", "ca": "company.crt"},
            "partner": {
                "cert": "client.crt",
                "key": "client.key",
                "ca": "partner.crt",
                "issuer": "company.crt",
                "set": "theirs",
            },
        },
    )

    status, (line,) = call(folder, tmp_path)

    assert (status, line.client_serial) == (200, serial)


@pytest.mark.envoy
@pytest.mark.nginx
def test_a_gateway_whose_certificate_bears_another_name_is_predicted_and_refused(tmp_path):
    credentials = {"front": {"server_names": ["DNS:other.example"]}, "partner": {"set": "theirs"}}
    folder = write(tmp_path / "scenario", credentials)

    trace = explain_folder(folder, f"http://{HOST}/")
    found = [each for each in check_sources([folder]).findings if each.code == "EB0118"]

    assert [each.outcome.status for each in trace.endings()] == [503]
    assert "the certificate of the gateway egress" in next(trace.endings()).outcome.reason
    assert "other.example" in found[0].reason
    assert call(folder, tmp_path) == (503, [])


@pytest.mark.parametrize(
    ("credential", "message"),
    [
        (
            {"cert": "client.crt", "key": "client.key", "ca": "partner.crt"},
            r"not of an authority in partner.crt.*issuer",
        ),
        ({"cert": "client.crt", "key": "client.key"}, r"not of a known authority.*Add `issuer: FILE`"),
        (
            {"cert": "client.crt", "key": "front.key", "ca": "company.crt"},
            "front.key is not the key of client.crt",
        ),
        ({"cert": "gone.crt", "key": "client.key", "ca": "company.crt"}, "cert gone.crt cannot be read"),
        ({"cert": "client.crt", "key": "company.crt", "ca": "company.crt"}, "key company.crt cannot be read"),
    ],
)
def test_own_files_that_nothing_could_trust_are_refused_with_their_line(tmp_path, credential, message):
    own_files(tmp_path / "scenario")
    folder = write(tmp_path / "scenario", {"front": {}, "partner": {**credential, "set": "theirs"}})

    with pytest.raises(InputError, match=rf"scenario.yaml:\d+: tls.credentials.partner: .*{message}"):
        prepare(load_scenario(folder))
    assert [each.code for each in check_sources([folder]).findings if each.code == "EB0016"]


def test_a_credential_that_nothing_brings_is_refused_where_the_gateway_names_it(tmp_path):
    folder = write(tmp_path / "scenario", {"partner": {"set": "theirs"}})

    with pytest.raises(
        InputError, match=r"all.yaml:\d+: credentialName 'front'.*`credentials: \{front: \{\}\}`"
    ):
        prepare(load_scenario(folder))
