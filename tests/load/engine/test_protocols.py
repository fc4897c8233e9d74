"""What the engine speaks, on the servers that stand in for the other side: HTTPS, bytes, HTTP/2 and gRPC."""

import hashlib

import numpy as np
import pytest

from bench.analysis.histogram import Histogram
from bench.certs.material import write_material
from bench.errors import LoadError
from bench.load import Expectation, RequestKind, Target, TargetTls
from bench.load.engine import kinds_of
from bench.load.engine.bodies import MOST_BYTES, Bodies
from bench.load.engine.check import BodyCheck
from bench.result.reasons import Reason, ReasonCode
from bench.scenario import Closed, Connections
from bench.stack import NodeBehaviour, NodeSpec, StackSpec
from bench.stack.local import LocalStack
from bench.stack.nodes import answer_digest
from tests.load.stubs import plan_for, send

pytestmark = pytest.mark.nginx


def node(number, name, tls="none", **behaviour):
    return NodeSpec(name, (f"192.0.2.{number}", 443), name, tls=tls, behaviour=NodeBehaviour(**behaviour))


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certs") / "material"
    return write_material(folder, names=["node.example"], key_type="ecdsa-p256")


@pytest.fixture(scope="module")
def nodes(material):
    spec = StackSpec(
        "nodes",
        proxies=(),
        nodes=(
            node(1, "plain"),
            node(2, "https", "simple"),
            node(3, "mutual", "mutual"),
            node(4, "h2c", protocol="http/2"),
            node(5, "h2", "simple", protocol="http/2"),
            node(6, "grpc", protocol="grpc"),
            node(7, "lines", protocol="bytes"),
            node(8, "greeter", protocol="bytes", greets=True),
            node(9, "secret", "mutual", protocol="bytes"),
            node(10, "large", sizes=((1_000_000, 1.0),)),
            node(11, "late", delays=((30.0, 1.0),)),
            node(12, "faulty", faults=((503, 0.5), (None, 0.5))),
        ),
        certificates=material.live,
    )
    with LocalStack(spec) as running:
        yield running


@pytest.fixture
def target(nodes, material):
    def of(name, *, server_name="node.example", alpn=("http/1.1",)):
        component = nodes.component(name)
        address, port = next(iter(component.addresses.values()))
        tls = None
        if component.tls != "none":
            tls = TargetTls(
                server_name=server_name,
                ca=str(material.live / "ca.crt"),
                certificate=str(material.live / "client.crt"),
                private_key=str(material.live / "client.key"),
                alpn=alpn,
            )
        return Target(address=address, port=port, host="node.example", tls=tls)

    return of


def run(*kinds, rate=100, duration_s=0.3, count=4, **changes):
    first = kinds[0].target
    base = plan_for(
        first.port, rate=rate, duration_s=duration_s, connections=Connections(count=count), **changes
    )
    return send(base.model_copy(update={"target": first, "requests": kinds}))


def kind(name, target, *, nodes=None, protocol="http/1.1", method="GET", body=b"", path="/", **expect):
    return RequestKind(
        name=name,
        target=target,
        protocol=protocol,
        method=method,
        path=path,
        body=body,
        expect=Expectation(nodes=nodes if nodes is not None else (name,), **expect),
    )


def answered(outcome):
    (stage,) = outcome.stages
    return {each.name: (each.counts.answered, each.counts.reasons) for each in stage.subsets}


def test_requests_to_several_targets_in_several_protocols_share_one_schedule(target):
    lines = kind("lines", target("lines"), protocol="bytes", body=b"HELLO\n", body_exact="lines HELLO\n")
    secret = kind(
        "secret", target("secret", alpn=()), protocol="bytes", body=b"x\n", body_contains="secret x"
    )
    greeter = kind("greeter", target("greeter"), protocol="bytes", body_contains="greeter ready")
    https = kind("https", target("https"), body_contains="https!")
    mutual = kind("mutual", target("mutual"), body_contains="mutual!")
    h2c = kind("h2c", target("h2c"), protocol="http/2", body_contains="h2c!")
    h2 = kind("h2", target("h2", alpn=("h2",)), protocol="http/2", body_contains="h2!")
    grpc = kind("grpc", target("grpc"), protocol="grpc", method="POST", path="/pkg.Svc/Get", body=b"\x08\x01")

    outcome = run(
        kind("plain", target("plain")), https, mutual, h2c, h2, grpc, lines, secret, greeter, rate=300
    )

    found = answered(outcome)
    assert {reasons for _, reasons in ((count, tuple(reasons)) for count, reasons in found.values())} == {()}
    assert sum(count for count, _ in found.values()) == 90
    # https, mutual and h2 keep theirs; each exchange with secret shakes hands again.
    assert outcome.generator.handshake_time is not None
    exchanges = sum(found[name][0] for name in ("lines", "secret", "greeter"))
    assert outcome.generator.received_bytes == (
        found["lines"][0] * len("lines HELLO\n")
        + found["secret"][0] * len("secret x\n")
        + found["greeter"][0] * len("greeter ready\n")
    )
    assert outcome.generator.connects >= exchanges + 6


def test_a_closed_loop_keeps_the_mix_of_several_targets(target):
    plain = kind("plain", target("plain")).model_copy(update={"weight": 3.0})
    kinds = (plain, kind("https", target("https")))

    outcome = run(*kinds, schedule=Closed(kind="closed"), duration_s=0.3)

    (stage,) = outcome.stages
    due = [part.counts.due for part in stage.subsets]
    plan = plan_for(1, schedule=Closed(kind="closed")).model_copy(update={"requests": kinds})
    assert due == np.bincount(kinds_of(plan, 0, sum(due)), minlength=2).tolist()
    assert [count for count, _ in answered(outcome).values()] == due


def test_a_node_that_is_not_expected_is_a_misroute_by_its_first_word(target):
    outcome = run(kind("wrong", target("lines"), nodes=("other",), protocol="bytes", body=b"a\n"), rate=20)

    assert answered(outcome)["wrong"] == (0, {Reason(ReasonCode.WRONG_NODE, "lines").key: 6})


def test_a_large_binary_answer_is_checked_whole_by_its_digest(target):
    digests = {"large": answer_digest(1_000_000, "large")}
    # It begins with the heading of the node's page, as a scenario may expect of a page of any size.
    right = kind("large", target("large"), body_contains="<h1>large!</h1>", body_sha256=digests)
    wrong = kind(
        "wrong", target("large"), nodes=("large",), body_sha256={"large": hashlib.sha256().hexdigest()}
    )

    found = answered(run(right, wrong, rate=40))

    assert found["large"][0] + found["wrong"][1]["wrong-body"] == 12
    assert found["large"][1] == {}
    assert found["wrong"][0] == 0


def test_a_delay_of_the_node_is_waited_for(target):
    outcome = run(kind("late", target("late")), rate=20)

    assert answered(outcome)["late"] == (6, {})
    assert Histogram.decode(outcome.stages[0].subsets[0].service_time).percentile(0) >= 29_000


def test_a_share_of_the_answers_is_a_fault_or_a_reset(target):
    count, reasons = answered(run(kind("faulty", target("faulty")), rate=200))["faulty"]

    assert count == 0
    assert set(reasons) == {"status:503", "reset-before-answer"}


@pytest.mark.parametrize(
    ("name", "alpn", "server_name", "says"),
    [
        ("https", ("h2",), "node.example", "no application protocol"),
        ("h2", ("h2",), "wrong.example", "wrong.example"),
    ],
)
def test_a_server_that_cannot_be_spoken_to_is_named_before_any_load(target, name, alpn, server_name, says):
    there = target(name, alpn=alpn, server_name=server_name)

    with pytest.raises(LoadError, match=says):
        run(kind("plain", target("plain")), kind(name, there, protocol="http/2"))


def test_http2_to_a_node_that_speaks_only_http1_fails_each_request_and_says_so(target):
    _, reasons = answered(run(kind("plain", target("plain"), protocol="http/2"), rate=20))["plain"]

    assert sum(reasons.values()) == 6
    assert all(key.startswith(("protocol:not HTTP/2", "closed")) for key in reasons)


def test_a_body_that_was_right_once_is_compared_and_one_that_is_not_equal_still_fails():
    body, bodies = b"a" * 300_000, Bodies()
    digests = {"n": hashlib.sha256(body).hexdigest()}

    def verdict(*pieces, node="n"):
        check = BodyCheck(None, None, digests, bodies)
        for piece in pieces:
            check.feed(piece)
        return check.passed(node)

    assert verdict(body[:100_000], body[100_000:])
    assert bodies.known(frozenset(digests.values())) is not None
    assert verdict(body[:70_000], body[70_000:])
    for wrong in ((body[:-1],), (body, b"a"), (body[:-1], b"b"), (b"b", body[1:]), ()):
        assert not verdict(*wrong)
    assert verdict(b"anything", node="other")


def test_no_more_bodies_are_remembered_than_there_is_room_for():
    bodies, body = Bodies(), b"x" * (MOST_BYTES // 2 + 1)
    bodies.remember("one", body)
    bodies.remember("two", body)

    assert bodies.known(frozenset({"one"})) is not None
    assert bodies.known(frozenset({"two"})) is None
