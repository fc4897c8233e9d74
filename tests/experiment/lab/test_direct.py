"""The direct client and the relays against a real nginx, and how nodes keep sessions."""

import pytest

from bench.certs.material import write_material
from bench.experiment.handshake.lab.direct import DirectClient, Shots
from bench.experiment.handshake.lab.relay import CountingRelays
from bench.placement import Placement
from bench.stack import NodeSpec, NodeTlsOptions, StackSpec
from bench.stack.local import LocalStack
from bench.telemetry import cpu_seconds

pytestmark = pytest.mark.nginx
SHARED = NodeTlsOptions(ticket_key="ticket.key")
NODES = {
    "first": SHARED,
    "second": SHARED,
    "plain": NodeTlsOptions(),
    "mute": NodeTlsOptions(tickets=False),
    "ids": NodeTlsOptions(tickets=False, session_cache=True),
    "old": NodeTlsOptions(versions=("TLSv1.2",), curves="secp384r1"),
}


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    made = write_material(
        tmp_path_factory.mktemp("certs") / "material", names=["node.example"], key_type="ecdsa-p384"
    )
    (made.live / "ticket.key").write_bytes(bytes(range(80)))
    return made


@pytest.fixture(scope="module")
def stack(material):
    nodes = [
        NodeSpec(name, (f"192.0.2.{number}", 443), name, tls_options=options)
        for number, (name, options) in enumerate(NODES.items(), 1)
    ]
    with LocalStack(StackSpec("sessions", (), tuple(nodes), material.live)) as running:
        yield running


@pytest.fixture
def client(stack, material):
    def make(name, version="TLSv1.3", address=None):
        part = stack.component(name)
        return DirectClient(
            address=address or next(iter(part.addresses.values())),
            host="node.example",
            path="/",
            tls_version=version,
            certificates=material.live,
            presents_certificate=True,
            node_cpu=lambda: cpu_seconds(part.pid, name),
        )

    return make


@pytest.fixture
def shots():
    return Shots()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_full_and_resumed_handshakes_are_what_they_say_and_cost_the_node_cpu(client, shots, version):
    client("plain", version).in_turn(8, shots)

    assert [shot.resumed for shot in shots.full.shots] == [False] * 8
    assert [shot.resumed for shot in shots.resumed.shots] == [True] * 8
    for shot in shots.full.shots + shots.resumed.shots:
        assert 0 < shot.secured_us < shot.answered_us
    assert shots.full.node_cpu_us > shots.resumed.node_cpu_us > 0
    assert shots.full.cpu_us > shots.kept.cpu_us > 0
    assert 0 < shots.bare.cpu_us < shots.full.cpu_us


@pytest.mark.parametrize(
    ("name", "version", "resumes"),
    [
        ("mute", "TLSv1.2", False),
        ("mute", "TLSv1.3", False),
        ("ids", "TLSv1.2", True),
        ("ids", "TLSv1.3", True),
        ("old", "TLSv1.2", True),
    ],
)
def test_a_node_keeps_sessions_as_configured(client, shots, name, version, resumes):
    client(name, version).in_turn(2, shots)

    assert [shot.resumed for shot in shots.resumed.shots] == [resumes] * 2


def test_a_relay_counts_every_byte_of_a_connection_and_lets_it_through(client, shots, stack):
    relays = CountingRelays()
    played, real = next(iter(stack.component("plain").addresses.items()))
    placement = relays.detour(Placement("/config", "/logs", endpoints={played: real}))
    try:
        client("plain", address=placement.endpoints[played]).in_turn(1, shots)
        while len(relays.closed()) < 4:
            pass
        kept, full, resumed, bare = relays.closed()
    finally:
        relays.stop()

    assert placement.endpoints[played] != real
    assert (len(shots.full.shots), shots.resumed.shots[0].resumed) == (1, True)
    # A resumed connection carries no certificate of either side.
    assert 0 == bare.sent < resumed.sent < full.sent < kept.sent
    assert 0 == bare.received < resumed.received < full.received
    carried = (kept, full, resumed, bare)
    assert relays.totals() == (sum(each.sent for each in carried), sum(each.received for each in carried))
