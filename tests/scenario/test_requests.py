"""The mix of a scenario: each request with its own host, port, protocol and client, in short and in long."""

import copy

import pytest

from bench.istio.decode import decode
from bench.scenario import Scenario

BASE = {
    "name": "mix",
    "inventory": {
        "proxies": {
            "sleep": {"role": "sidecar", "ip": "10.0.0.1"},
            "batch": {"role": "sidecar", "ip": "10.0.0.2", "namespace": "jobs"},
            "egress": {"role": "gateway", "ip": "10.0.0.3"},
        }
    },
    "nodes": {"pay1": {"plays": ["10.1.0.1:443", "API.pay.example:443"]}, "db1": {"plays": "10.1.0.2:5432"}},
    "tls": {"sets": {"partner": {}}},
}
PAY = {"url": "https://api.pay.example/v1?x=1", "weight": 3, "expect": {"nodes": ["pay1"]}}
FEED = {"url": "tcp://db.example:5432", "body": "HELLO\n", "expect": {"nodes": ["db1"]}}


def read(traffic, **others):
    return decode(Scenario, {**copy.deepcopy(BASE), "traffic": traffic, **others}, ())


def faults(traffic, **others):
    found = read(traffic, **others)
    assert isinstance(found, list)
    return "; ".join(each.text for each in found)


def test_each_request_has_a_host_a_port_and_a_protocol_of_its_own():
    rpc = {"url": "http://rpc.example:8080/pkg.Svc/Get", "protocol": "grpc", "expect": {"nodes": ["pay1"]}}
    traffic = read({"client": "sleep", "requests": {"pay": PAY, "feed": FEED, "rpc": rpc}}).traffic

    pay, feed, call = traffic.mix

    assert (pay.scheme, pay.host, pay.port, pay.path, pay.protocol) == (
        "https",
        "api.pay.example",
        443,
        "/v1?x=1",
        "http/1.1",
    )
    assert (feed.scheme, feed.port, feed.protocol, feed.written.content) == ("tcp", 5432, "bytes", b"HELLO\n")
    assert (call.authority, call.protocol, call.method) == ("rpc.example:8080", "grpc", "POST")
    assert traffic.gateway is None
    assert traffic.exits == ("sleep",)


def test_several_clients_share_the_weight_of_a_request_and_keep_their_own_figures():
    only = {**PAY, "clients": ["batch"]}
    traffic = read({"clients": ["sleep", "batch"], "requests": {"pay": PAY, "only": only}}).traffic

    assert [(each.name, each.client, each.weight) for each in traffic.mix] == [
        ("pay from sleep", "sleep", 1.5),
        ("pay from batch", "batch", 1.5),
        ("only from batch", "batch", 3),
    ]


def test_the_short_form_means_the_same_as_before_and_survives_a_round_trip():
    short = {
        "client": "sleep",
        "gateway": "egress",
        "url": "http://a.example/x",
        "subsets": {"v1": {"headers": {"want": "v1"}, "expect": {"nodes": ["pay1"]}}},
    }
    scenario = read(short)

    (mixed,) = scenario.traffic.mix
    again = decode(Scenario, scenario.model_dump(), ())

    assert (mixed.name, mixed.client, mixed.authority, mixed.path) == ("v1", "sleep", "a.example", "/x")
    assert scenario.traffic.exits == ("egress",)
    assert again == scenario


def test_a_node_plays_several_addresses_and_names_in_lower_case():
    scenario = read({"client": "sleep", "requests": {"pay": PAY}})

    assert scenario.nodes["pay1"].plays == (("10.1.0.1", 443), ("api.pay.example", 443))
    assert scenario.nodes["pay1"].word("pay1") == "pay1"


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({**PAY, "url": "ftp://a.example/"}, "is not http://, https://, tcp:// or tls:// with a host"),
        ({**PAY, "url": "tcp://a.example"}, "names no port"),
        ({**PAY, "url": "tcp://a.example:1/x"}, "has a path, which tcp has not"),
        ({**FEED, "headers": {"a": "b"}}, "carries bytes, not HTTP: leave out headers"),
        ({"expect": {}}, "has no url, and the traffic has none for it"),
        ({**PAY, "protocol": "grpc"}, "a gRPC path is /PACKAGE.SERVICE/METHOD"),
        ({**PAY, "url": "http://a.example/", "tls": {}}, "speaks no TLS: leave out tls, or call https://"),
        ({**PAY, "tls": {"set": "nobody"}}, "names the set 'nobody'; sets are partner"),
        ({**PAY, "clients": ["batch"]}, "names client 'batch'; clients are sleep"),
        ({**PAY, "body": "a", "body_base64": "YQ=="}, "body and body_base64 are both given"),
        ({**PAY, "body_base64": "%"}, "is not base64"),
        ({**PAY, "expect": {"nodes": ["db2"]}}, "it.expect names node 'db2'; nodes are db1, pay1"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused_with_what_to_do(request_, says):
    assert says in faults({"client": "sleep", "requests": {"it": request_}})


@pytest.mark.parametrize(
    ("traffic", "says"),
    [
        ({"clients": ["sleep", "egress"], "requests": {"pay": PAY}}, "whose role is not sidecar"),
        ({"clients": ["sleep", "nobody"], "requests": {"pay": PAY}}, "names 'nobody'; the inventory has"),
        ({"client": "sleep", "requests": {"pay": PAY}, "subsets": {"v1": PAY}}, "mean the same"),
        ({"client": "egress", "clients": ["sleep"], "requests": {"pay": PAY}}, "is not in clients"),
    ],
)
def test_clients_are_sidecars_of_the_inventory(traffic, says):
    assert says in faults(traffic)


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"plays": "10.0.0.1"}, "is not ADDRESS:PORT"),
        ({"size": [{"bytes": "1k", "share": 0.5}]}, "the shares make 0.5, not 1"),
        ({"faults": [{"share": 0.6}, {"share": 0.6, "status": 503}]}, "the shares make 1.2, more than 1"),
        ({"protocol": "bytes", "delay": 5}, "leave out delay"),
        ({"greets": True}, "greets is only for nodes of protocol bytes"),
    ],
)
def test_a_node_that_cannot_be_is_refused(node, says):
    nodes = {"pay1": {"plays": "10.1.0.1:443", **node}}

    assert says in faults({"client": "sleep", "requests": {"pay": PAY}}, nodes=nodes)
