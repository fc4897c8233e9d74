"""Requests and handshakes of each role in a window: what went past a hop is not its own."""

from dataclasses import replace

import pytest

from bench.load import Expectation, LoadPlan, RequestKind, Stage, Target, TargetTls
from bench.measure import Reading, Topology, carried_by_role
from bench.scenario import Constant
from bench.telemetry import Snapshot

GATEWAY, PAST = "outbound|80||egress.example", "outbound|9000||egress.example"
NODE, OTHER = "outbound|443||node.example", "outbound|443|v1|node.example"
TOPOLOGY = Topology(
    sidecar="client",
    gateway="egress",
    sidecar_clusters=(GATEWAY, PAST, NODE),
    gateway_clusters=(OTHER,),
    to_gateway=(GATEWAY,),
    cluster_nodes={},
    past_gateway={PAST: ("node",)},
    straight={NODE: ("node",)},
)
PLAIN = Target(address="127.0.0.1", port=1, host="a.example")
OWN_TLS = TargetTls(server_name="a.example", ca="ca.pem")


def load(*names, tls=()):
    kinds = tuple(
        RequestKind(
            name=name,
            expect=Expectation(),
            target=PLAIN.model_copy(update={"tls": OWN_TLS}) if name in tls else None,
        )
        for name in names
    )
    stage = Stage(name="s", kind="measure", duration_s=1, schedule=Constant(arrival_rate=1))
    return LoadPlan(run_id="t", target=PLAIN, requests=kinds, stages=(stage,))


def cluster(name, requests, handshakes=0, resumed=0):
    prefix = f"cluster.{name.replace(':', '_')}"
    return {
        f"{prefix}.upstream_rq_total": requests,
        f"{prefix}.ssl.handshake": handshakes,
        f"{prefix}.ssl.session_reused": resumed,
    }


def readings(sidecar, gateway, *, at_first=1000):
    """Two readings between which counters rose so far."""

    def one(values, start, at):
        return Snapshot("p", {name: start + value for name, value in values.items()}, at, int(at))

    nothing = dict.fromkeys(sidecar, 0), dict.fromkeys(gateway, 0)
    first = Reading(
        0, {}, {}, one(nothing[1], at_first, 0.0), sidecars={"client": one(nothing[0], at_first, 0.0)}
    )
    last = Reading(0, {}, {}, one(gateway, at_first, 1.0), sidecars={"client": one(sidecar, at_first, 1.0)})
    return first, last


def read(requests):
    return {"http.outbound.downstream_rq_total": requests, "http.admin.downstream_rq_total": 77}


def test_what_goes_straight_to_nodes_is_of_sidecars_and_nodes_and_not_of_the_gateway():
    sidecar = read(300) | cluster(GATEWAY, 100) | cluster(NODE, 200, 5, 2)
    first, last = readings(sidecar, cluster(OTHER, 100, 40, 30))

    found = carried_by_role(TOPOLOGY, load("a", "b"), {"a": 100, "b": 200}, first, last)

    assert {role: each.requests for role, each in found.items()} == {
        "sidecar": 300,
        "egress": 100,
        "node": 300,
    }
    assert (found["egress"].handshakes, found["egress"].sessions_reused) == (40, 30)
    assert (found["sidecar"].handshakes, found["sidecar"].sessions_reused) == (5, 2)
    assert (found["node"].handshakes, found["node"].sessions_reused) == (45, 32)
    assert not any(each.more_handshakes for each in found.values())


def test_what_the_gateway_passes_on_as_bytes_is_not_counted_by_its_connections():
    bytes_ = cluster("outbound|80||passed.example", 3)
    first, last = readings(
        read(500) | cluster(GATEWAY, 100) | cluster(PAST, 400), cluster(OTHER, 100) | bytes_
    )

    found = carried_by_role(TOPOLOGY, load("a", "b"), {"a": 100, "b": 400}, first, last)

    assert {role: each.requests for role, each in found.items()} == dict.fromkeys(found, 500)


def test_what_no_proxy_reads_is_what_the_client_sent_in_the_seconds_that_were_read():
    """The readings lie a little further apart than the client's stage: 110 requests where it counts 100."""
    topology = replace(TOPOLOGY, unread=frozenset({"db", "raw", "far"}), read_by_gateway=frozenset({"raw"}))
    topology = replace(topology, straight_requests=frozenset({"far"}))
    first, last = readings(read(110) | cluster(GATEWAY, 110), cluster(OTHER, 110 + 55))
    sent = {"a": 100, "db": 200, "raw": 50, "far": 10}

    found = carried_by_role(topology, load(*sent), sent, first, last)

    assert found["sidecar"].requests == 110 + 220 + 55 + 11
    assert found["egress"].requests == 110 + 55 + 220
    assert found["node"].requests == 110 + 55 + 220 + 11


def test_retries_of_the_gateway_are_work_of_gateway_and_nodes():
    first, last = readings(read(100) | cluster(GATEWAY, 100), cluster(OTHER, 130))

    found = carried_by_role(TOPOLOGY, load("a"), {"a": 100}, first, last)

    assert [found[role].requests for role in ("sidecar", "egress", "node")] == [100, 130, 130]


def test_without_a_gateway_all_that_sidecars_send_on_reaches_nodes():
    alone = replace(TOPOLOGY, has_gateway=False, to_gateway=(), past_gateway={}, straight={})
    sidecar = read(100) | cluster(NODE, 104, 12, 4)
    first, last = readings(sidecar, sidecar)

    found = carried_by_role(alone, load("a"), {"a": 100}, first, last)

    assert {role: (each.requests, each.handshakes) for role, each in found.items()} == {
        "sidecar": (100, 12),
        "node": (104, 12),
    }


@pytest.mark.parametrize("sidecar", [{}, {"client": Snapshot("client", {}, 1.0, 1)}])
def test_counters_that_were_not_read_or_began_again_are_unknown_and_never_zero(sidecar):
    first, last = readings(read(9) | cluster(GATEWAY, 9), cluster(OTHER, 9))

    found = carried_by_role(TOPOLOGY, load("a"), {"a": 9}, first, replace(last, sidecars=sidecar))

    assert [found[role].requests for role in ("sidecar", "egress", "node")] == [None, None, None]
    assert found["egress"].handshakes == 0
    assert (found["sidecar"].handshakes, found["node"].handshakes) == (None, None)


def test_a_gateway_that_began_again_leaves_the_sidecars_known():
    first, last = readings(read(9) | cluster(GATEWAY, 9), cluster(OTHER, 9))

    found = carried_by_role(TOPOLOGY, load("a"), {"a": 9}, last, replace(last, gateway=first.gateway))

    assert found["sidecar"].requests == 0
    assert (found["egress"].requests, found["node"].requests) == (None, None)


def test_only_what_the_gateway_reads_is_known_without_the_sidecars():
    """Where nothing goes past the gateway its own counters are enough for it."""
    topology = replace(TOPOLOGY, past_gateway={})
    first, last = readings(read(9) | cluster(GATEWAY, 9), cluster(OTHER, 9))

    found = carried_by_role(topology, load("a"), {"a": 9}, replace(first, sidecars={}), last)

    assert (found["egress"].requests, found["node"].requests) == (9, None)


def test_handshakes_that_nobody_counts_are_said():
    first, last = readings(read(9) | cluster(PAST, 9, handshakes=3), cluster(OTHER, 9))
    assert carried_by_role(TOPOLOGY, load("a"), {"a": 9}, first, last)["node"].more_handshakes

    first, last = readings(read(9) | cluster(GATEWAY, 9, handshakes=3), cluster(OTHER, 9))
    found = carried_by_role(TOPOLOGY, load("a", "own", tls=("own",)), {"a": 9, "own": 9}, first, last)
    assert found["node"].more_handshakes
    assert not found["sidecar"].more_handshakes
