"""What a node speaks: plain text, TLS, or TLS for clients with a certificate, each by its own files."""

import contextlib
import http.client
import socket
import ssl

import pytest

from bench.certs.material import SetNames, write_material
from bench.stack import NodeBehaviour, NodeSpec, StackSpec
from bench.stack.local import LocalFaults, LocalStack

pytestmark = pytest.mark.nginx
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return write_material(
        tmp_path_factory.mktemp("certs") / "material",
        names=["node.example"],
        key_type="ecdsa-p256",
        sets={"partner": SetNames(["partner.example"], "client-of-partner")},
    )


@pytest.fixture(scope="module")
def stack(material, tmp_path_factory):
    # A folder whose name nginx would read as its own syntax.
    odd = tmp_path_factory.mktemp("odd") / 'r$host "{;} #'
    odd.mkdir()
    spec = StackSpec(
        "nodes",
        proxies=(),
        nodes=(
            NodeSpec("plain", ("192.0.2.1", 80), "plain", tls="none"),
            NodeSpec("simple", ("192.0.2.2", 443), "simple", tls="simple"),
            NodeSpec("mutual", ("192.0.2.3", 443), "mutual"),
            NodeSpec("own", ("192.0.2.4", 443), "own", certificates=material.of_set("partner")),
            NodeSpec(
                "sized", ("192.0.2.5", 80), "sized", tls="none", behaviour=NodeBehaviour(sizes=((512, 1.0),))
            ),
        ),
        certificates=material.live,
    )
    with LocalStack(spec, parent=odd) as running:
        yield running


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("node", ["plain", "sized"])
def test_a_node_answers_what_is_posted_as_it_answers_a_question(stack, method, node):
    """Also bodies that are no text, and long ones."""
    address = next(iter(stack.component(node).addresses.values()))
    found = set()
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=10)) as client:
        for asked, body in ((method, bytes(range(256))), (method, bytes(3 << 20)), ("GET", None)):
            client.request(asked, "/", body)
            reply = client.getresponse()
            found.add((reply.status, reply.headers["x-node"], reply.read()))

    ((status, by, content),) = found
    assert (status, by) == (200, node)
    assert f"<h1>{node}!</h1>".encode() in content


def connect(stack, name):
    return socket.create_connection(next(iter(stack.component(name).addresses.values())), 10)


def answer(connection):
    connection.sendall(REQUEST)
    return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


def ask(stack, name, trust, *, host="node.example", client=None):
    """The answer to a client that checks chain and name."""
    context = ssl.create_default_context(cafile=str(trust / "ca.crt"))
    if client is not None:
        context.load_cert_chain(client / "client.crt", client / "client.key")
    with connect(stack, name) as raw, context.wrap_socket(raw, server_hostname=host) as connection:
        return answer(connection)


def test_a_node_without_tls_answers_plain_http(stack):
    with connect(stack, "plain") as connection:
        assert "<h1>plain!</h1>" in answer(connection)


def test_a_node_with_simple_tls_lets_everybody_in_and_one_with_mutual_tls_only_its_clients(stack, material):
    assert "<h1>simple!</h1>" in ask(stack, "simple", material.live)
    assert "No required SSL certificate" in ask(stack, "mutual", material.live)
    assert "<h1>mutual!</h1>" in ask(stack, "mutual", material.live, client=material.live)


def test_a_node_with_certificates_of_its_own_has_another_authority_names_and_clients(stack, material):
    partner = material.of_set("partner")

    assert "<h1>own!</h1>" in ask(stack, "own", partner, host="partner.example", client=partner)
    for trust, host in ((material.live, "partner.example"), (partner, "node.example")):
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(stack, "own", trust, host=host)
    foreign = ask(stack, "own", partner, host="partner.example", client=material.live)
    assert "The SSL certificate error" in foreign


def test_a_node_serves_with_another_certificate_until_it_is_given_its_own_again(stack, material):
    faults = LocalFaults(stack)
    faults.use_certificates("simple", material.wrong("wrong-san"))
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(stack, "simple", material.live)

    faults.use_certificates("simple", material.live)

    assert "<h1>simple!</h1>" in ask(stack, "simple", material.live)


def test_asking_whether_a_node_is_up_leaves_no_line_in_its_access_log(stack):
    log = stack.component("plain").access_log
    lines = log.read_text().splitlines() if log.exists() else []

    assert not [line for line in lines if "egress-bench-ready" in line]
