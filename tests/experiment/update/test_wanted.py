"""Changes in Istio's terms come out as the right resources, for every config source."""

from pathlib import Path

import pytest

from bench.experiment.update.wanted import Wanted, steps, with_wanted
from bench.preparation import prepare
from bench.scenario.load import load_scenario
from bench.translate import CONFIG_SOURCES, to_plain

HOST = "nginx.external.svc.cluster.local"
V1, V2 = f"outbound|443|v1|{HOST}", f"outbound|443|v2|{HOST}"
NODES = {"nginx01": (("192.168.0.63", 443),), "nginx02": (("192.168.0.64", 443),)}


@pytest.fixture(scope="module")
def prepared():
    return prepare(load_scenario(Path("scenarios/egress-mtls")))


def endpoints(config, cluster):
    found = {each.cluster_name: each for each in config.endpoints}
    found |= {each.name: each.load_assignment for each in config.clusters if each.load_assignment}
    return [
        (entry["endpoint"]["address"]["socket_address"]["address"], entry.get("health_status"))
        for group in to_plain(found[cluster])["endpoints"]
        for entry in group["lb_endpoints"]
    ]


def routes(config):
    return [
        to_plain(route)["route"]
        for each in config.routes
        for host in each.virtual_hosts
        for route in host.routes
        if route.route is not None
    ]


@pytest.mark.parametrize("source", CONFIG_SOURCES)
def test_endpoints_come_go_move_and_drain(prepared, source):
    config = prepared.configs["egress", source]
    base, made = steps(V1, V2, "nginx01", "nginx02")
    assert endpoints(with_wanted(config, base, NODES), V1) == [("192.168.0.63", None)]
    states = {each.name: with_wanted(config, each.wanted, NODES) for each in made}
    assert endpoints(states["endpoint added"], V1) == [("192.168.0.63", None), ("192.168.0.64", None)]
    assert endpoints(states["node drained"], V1)[0] == ("192.168.0.63", "DRAINING")
    assert endpoints(states["node drained"], V2) == [("192.168.0.64", None)]
    assert endpoints(states["endpoint removed"], V1) == [("192.168.0.64", None)]
    moved = states["endpoint moved to the other subset"]
    assert (endpoints(moved, V1), endpoints(moved, V2)) == (
        [("192.168.0.64", None)],
        [("192.168.0.63", None)],
    )


def test_routes_change_their_cluster_and_their_weights(prepared):
    config = prepared.configs["egress", "eds"]
    _, made = steps(V1, V2, "nginx01", "nginx02")
    states = {each.name: routes(with_wanted(config, each.wanted, NODES)) for each in made}
    weighted = next(each for each in states["subset's weight changed"] if "weighted_clusters" in each)
    assert weighted["weighted_clusters"]["clusters"] == [
        {"name": V1, "weight": 50},
        {"name": V2, "weight": 50},
    ]
    assert "cluster" not in weighted
    assert [each["cluster"] for each in states["route changed"]] == [V2, V2]
    assert [each["cluster"] for each in states["route changed back"]] == [V1, V2]


def test_a_round_ends_where_it_began():
    base, made = steps(V1, V2, "nginx01", "nginx02")
    assert made[-1].wanted == base


def test_what_is_valid_follows_routes_endpoints_and_draining():
    wanted = Wanted({"a": ("one", "two"), "b": ("two",)}, {"c": {"a": 0, "b": 1}}, frozenset({"one"}))
    assert wanted.valid("a") == {"two"}
    assert wanted.valid("c") == {"two"}
