"""Proof of mutual TLS: from the lines of both ends to who was at the other end of each connection."""

import json

import pytest

from bench.ledger.peers import GATEWAY_FIELDS, PEER_FIELDS, Certificate, ExpectedPeers, PeerWatch, judge_peers
from bench.ledger.tally import Ids, Span, tally_log

SERVER = Certificate("CN=nginx,O=egress-bench", "0A")
CLIENT = Certificate("CN=gateway,O=egress-bench", "0B")


def gateway(*connections, subject=SERVER.subject, run="r"):
    lines = [
        {"at": "1.5", "id": f"{run}/{n}", "upstream_connection": n, "peer_subject": subject}
        for n in connections
    ]
    return read("gateway", lines, GATEWAY_FIELDS)


def node(name, *connections, verify="SUCCESS", subject=CLIENT.subject, serial=CLIENT.serial, run="r"):
    lines = [
        {
            "id": f"{run}/{n}",
            "connection": str(n),
            "client_verify": verify,
            "client_subject": subject,
            "client_serial": serial,
        }
        for n in connections
    ]
    return read(name, lines, PEER_FIELDS)


def read(name, lines, fields):
    rows = [{"at": "1.5", "status": "200", **line} for line in lines]
    data = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
    watch = PeerWatch(name, "r", fields)
    tally = tally_log(
        name,
        [data[:37], data[37:]],
        Ids("r", (Span(0, 100),)),
        fields=("id", "at", "status"),
        watch=watch,
    )
    assert tally.odd_lines == 0
    return watch.peers


def judged(at_gateway, at_nodes):
    expected = ExpectedPeers([SERVER], {"n1": [CLIENT], "n2": [CLIENT]})
    return judge_peers(at_gateway, at_nodes, expected)


def test_each_connection_counts_once_however_many_requests_it_carried():
    found = judged(gateway(1, 2, 2, 1), node("n1", 7, 7) | node("n2", 7))

    assert (found.of_gateway, found.right_servers) == (2, 2)
    assert (found.of_nodes, found.right_clients) == (2, 2)
    assert found.examples == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"verify": "NONE", "subject": "", "serial": ""},
        {"verify": "FAILED:certificate has expired"},
        {"subject": "CN=somebody"},
        {"serial": "FF"},
    ],
    ids=str,
)
def test_a_client_with_another_certificate_or_none_is_a_stranger(wrong):
    found = judged(gateway(1, 2), node("n1", 1) | node("n1", 2, **wrong))

    assert (found.of_nodes, found.right_clients) == (2, 1)
    assert "connection 2 of n1" in found.examples[0]


def test_a_connection_whose_lines_contradict_each_other_is_not_right():
    found = judged(gateway(1), node("n1", 1) | node("n1", 1, serial="FF"))

    assert (found.of_nodes, found.right_clients) == (1, 0)


def test_a_server_without_a_certificate_is_named():
    found = judged(gateway(1) | gateway(2, subject=None), node("n1", 1, 2))

    assert found.right_servers == 1
    assert found.examples == ("connection 2 of gateway: the peer was unnamed",)


def test_requests_that_no_connection_carried_and_those_of_others_do_not_count():
    found = judged(gateway(0) | gateway(3, run="other"), node("n1", 4, run="other"))

    assert (found.of_gateway, found.of_nodes) == (0, 0)


def test_each_node_has_clients_of_its_own():
    """What one of them may be shown is wrong at the other; a node without TLS is shown nothing."""
    other = Certificate("CN=gateway,O=partner", "0C")
    expected = ExpectedPeers([SERVER, None], {"n1": [CLIENT], "n2": [other], "plain": [None]})
    both = node("n1", 1) | node("n2", 1, subject=other.subject, serial=other.serial)
    plain = node("plain", 1, verify="", subject="", serial="") | node(
        "plain", 2, verify="NONE", subject="", serial=""
    )

    right = judge_peers(gateway(1) | gateway(2, subject=None), both | plain, expected)
    crossed = judge_peers(gateway(1), node("n2", 1) | node("n1", 2, subject=other.subject), expected)

    assert (right.of_nodes, right.right_clients, right.of_gateway, right.right_servers) == (4, 4, 2, 2)
    assert crossed.right_clients == 0
