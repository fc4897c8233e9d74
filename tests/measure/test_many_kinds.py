"""The ids of a load of many kinds of requests: each is held against the node that its own kind wants."""

import json

import pytest

from bench.errors import InputError
from bench.ledger import ExpectedPeers
from bench.load import Expectation, LoadPlan, RequestKind, Stage, Target
from bench.load.engine import kinds_of
from bench.measure import Matcher, Topology, require_matchable
from bench.measure.request_matching import MOST_KINDS
from bench.scenario import Constant
from bench.scenario.load import load_scenario
from bench.telemetry import LogMark
from tests.support.fake_generator import FakeGenerator

GATEWAY = "outbound|80||egress.example"
NODES = {"outbound|80||few.example": "first", "outbound|80||many.example": "second"}
TOPOLOGY = Topology(
    sidecar="client",
    gateway="egress",
    sidecar_clusters=(GATEWAY,),
    gateway_clusters=tuple(NODES),
    to_gateway=(GATEWAY,),
    cluster_nodes={cluster: (node,) for cluster, node in NODES.items()},
)


def node_of(kind):
    """A byte would take the kinds from 256 on for the first ones."""
    return "first" if kind < 256 else "second"


@pytest.mark.parametrize("astray", [False, True])
@pytest.mark.parametrize("kinds", [200, 300, 1_000])
def test_each_request_is_wanted_at_the_node_of_its_own_kind(tmp_path, kinds, astray):
    load = LoadPlan(
        run_id="many",
        target=Target(address="127.0.0.1", port=1, host="a.example"),
        requests=tuple(
            RequestKind(name=f"r{kind}", expect=Expectation(nodes=(node_of(kind),))) for kind in range(kinds)
        ),
        stages=(Stage(name="m", kind="measure", duration_s=2.0, schedule=Constant(arrival_rate=kinds)),),
    )
    outcome = FakeGenerator()(load, tmp_path)
    due = sum(part.counts.due for stage in outcome.stages for part in stage.subsets)
    lines = {"client": [], "egress": [], "first": [], "second": []}
    stray = 0
    for number, kind in enumerate(kinds_of(load, 0, due).tolist()):
        node = node_of(kind)
        if astray and kind in (3, 256 + 3):
            node = "second" if node == "first" else "first"
            stray += 1
        cluster = next(name for name, behind in NODES.items() if behind == node)
        line = {"at": "1795500000.5", "id": f"many/{number:013d}", "status": 200}
        proxy = line | {"flags": "-", "attempts": 1}
        lines["client"].append(proxy | {"cluster": GATEWAY})
        connection = {"upstream_connection": "1", "peer_subject": ""}
        lines["egress"].append(proxy | {"cluster": cluster} | connection)
        peer = {"connection": "1", "client_verify": "", "client_subject": "", "client_serial": ""}
        lines[node].append({"time": "1795500000.5"} | line | peer)
    marks = {}
    for name, rows in lines.items():
        marks[name] = LogMark.at_end(tmp_path / f"{name}.log")
        text = "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in rows)
        (tmp_path / f"{name}.log").write_text(text)

    peers = ExpectedPeers((None,), {"first": (None,), "second": (None,)})
    found = Matcher(TOPOLOGY, peers).match(marks, load, outcome)

    assert (found.matched, found.misrouted) == (due, stray)
    assert found.account.is_balanced is (stray == 0)


def test_more_kinds_than_a_byte_holds_can_be_matched_and_too_many_are_refused(pytestconfig):
    traffic = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls").scenario.traffic
    one = next(iter(traffic.requests.values()))

    def of(count):
        return traffic.model_copy(update={"requests": {f"r{number}": one for number in range(count)}})

    require_matchable(of(1_000))
    with pytest.raises(InputError, match=f"{MOST_KINDS} at most"):
        require_matchable(of(MOST_KINDS + 1))
