"""How many copies mirrors get follows from the resources; the ledger takes no more, and no fewer."""

from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from bench.commands.init import init_scenario
from bench.errors import InputError
from bench.ledger import ClientCounts, ProxyBook, Window
from bench.ledger.reconcile import books_of_proxy
from bench.measure import Bookkeeper, TrialPlan, load_plan, require_read, stack_target, topology_of
from bench.measure.copies import Copying, copies_of, copying_of
from bench.preparation import make_material, prepare
from bench.result import Book, Cause, NoteCode
from bench.routing.decision import Branch, Decision, Hop, LocalAnswer, Mirror
from bench.scenario import Constant
from bench.scenario.load import load_scenario
from bench.stack.local import LocalStack

SHIPPED = Path(__file__).parents[2] / "scenarios" / "egress-mtls"
HALF = Fraction(1, 2)


def branch(probability, *shares, proxy="sleep"):
    mirrors = tuple(Mirror("m.example", 80, "", share) for share in shares)
    return Branch(probability, LocalAnswer(proxy, 200, "", ""), (Hop(proxy, "", mirrors=mirrors),))


@pytest.mark.parametrize(
    ("branches", "expected"),
    [
        ((branch(Fraction(1)),), (0, 0, 0.0, 0.0)),
        ((branch(Fraction(1), Fraction(1)),), (1, 1, 1.0, 0.0)),
        ((branch(Fraction(1), HALF),), (0, 1, 0.5, 0.25)),
        ((branch(Fraction(1), Fraction(1), HALF),), (1, 2, 1.5, 0.25)),
        ((branch(HALF, Fraction(1)), branch(HALF)), (0, 1, 0.5, 0.25)),
        ((branch(Fraction(1), Fraction(1), proxy="egress"),), (0, 0, 0.0, 0.0)),
    ],
    ids=["none", "of each", "of a half", "two mirrors", "of one branch", "by another proxy"],
)
def test_copies_of_one_request(branches, expected):
    counted = {"sleep": {"outbound|80||m.example"}}
    found = Copying.of(Decision(branches), counted)

    assert (found.least, found.most, found.mean, found.variance) == expected
    assert bool(copying_of({"a": Decision(branches)}, counted)) is (expected[1] > 0)


@pytest.mark.parametrize("counted", [{"sleep": set()}, {}, {"egress": {"outbound|80||m.example"}}])
def test_no_copy_is_expected_where_none_is_counted(counted):
    """Of a mirror that no resource declares Envoy has no cluster, and makes no copy."""
    assert copying_of({"a": Decision((branch(Fraction(1), Fraction(1)),))}, counted) == {}


@pytest.mark.parametrize(
    ("port", "declares", "copied"),
    [
        pytest.param(80, True, {"hello"}, id="declared"),
        pytest.param(80, False, set(), id="declared by nobody"),
        # Plain HTTP for a port whose connections are passed on unread, as clients make them, too.
        pytest.param(443, True, set(), id="a port of HTTPS"),
    ],
)
def test_books_expect_the_copies_that_they_can_count(tmp_path, port, declares, copied):
    shadow = f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: shadow}}
spec:
  hosts: [{"shadow" if declares else "other"}.example]
  resolution: STATIC
  endpoints: [{{address: 192.0.2.9}}]
  ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: 443, name: https, protocol: HTTPS}}]
"""
    (tmp_path / "all.yaml").write_text(
        f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: hello}}
spec:
  hosts: [hello.example]
  resolution: STATIC
  endpoints: [{{address: 192.0.2.8}}]
  ports: [{{number: 8000, name: http, protocol: HTTP}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: hello}}
spec:
  hosts: [hello.example]
  http:
  - mirror: {{host: shadow.example, port: {{number: {port}}}}}
    route: [{{destination: {{host: hello.example, port: {{number: 8000}}}}}}]
{shadow}"""
    )
    init_scenario(tmp_path / "scenario", [tmp_path / "all.yaml"])

    topology = topology_of(prepare(load_scenario(tmp_path / "scenario")), "static")

    assert set(topology.copied_by_sidecars) == copied


def counts(sent, bad=0):
    return ClientCounts(due=sent, sent=sent, answered=sent - bad, unsent=0, bad=bad)


@pytest.mark.parametrize(
    ("copying", "sent", "bad", "expected"),
    [
        (Copying(1, 1, 1.0, 0.0), 100, 0, (100, 100)),
        (Copying(1, 1, 1.0, 0.0), 100, 3, (97, 100)),
        (Copying(0, 1, 0.5, 0.25), 400, 0, (150, 250)),
        (Copying(0, 1, 0.5, 0.25), 4, 0, (0, 4)),
        (Copying(1, 2, 1.5, 0.25), 400, 0, (550, 650)),
    ],
    ids=["of each", "some ended badly", "of a half", "of few", "two mirrors"],
)
def test_copies_of_a_load(copying, sent, bad, expected):
    assert copies_of({"a": copying}, {"a": counts(sent, bad)}) == expected


def test_copies_that_come_to_the_next_proxy_may_be_copied_again():
    here, before = {"a": Copying(1, 1, 1.0, 0.0)}, {"a": Copying(0, 1, 0.5, 0.25)}

    assert copies_of(here, {"a": counts(100)}, before) == (100, 200)


@pytest.mark.parametrize(
    ("copies", "attached", "unexplained", "on_trust"),
    [
        ((0, 0), 1000, 0, 0),
        ((0, 0), 1010, -10, 0),
        ((1000, 1000), 2000, 0, 0),
        ((1000, 1000), 1990, 10, 0),
        ((150, 250), 1180, 0, 30),
        ((150, 250), 1100, 50, 0),
        ((150, 250), 1300, -50, 100),
    ],
)
def test_a_book_takes_as_many_copies_as_there_can_be(copies, attached, unexplained, on_trust):
    after = {
        "http.in.downstream_rq_total": 1000,
        "http.in.downstream_rq_completed": 1000,
        "http.in.rq_total": 1000,
        "cluster.to.upstream_rq_total": attached,
        "cluster.to.upstream_rq_completed": attached,
    }
    window = Window("sleep", dict.fromkeys(after, 0), after)

    _, found = books_of_proxy(
        Book.SIDECAR_LISTENER, Book.SIDECAR_ROUTING, ProxyBook(window, ("in",), ("to",), copies)
    )

    assert found.unexplained == unexplained
    assert sum(note.count for note in found.remarks if note.code is NoteCode.TAKEN_ON_TRUST) == on_trust


@pytest.mark.envoy
@pytest.mark.nginx
def test_the_books_of_a_real_path_with_mirrors_at_both_proxies_are_closed(tmp_path, generator):
    """The sidecar mirrors a half of all to the gateway, the gateway all of v2 to the other subset.

    What the sidecar copied comes to the gateway like any request, and is copied there again.
    """
    resources = [
        each
        for path in sorted((SHIPPED / "istio").glob("*.yaml"))
        for each in yaml.safe_load_all(path.read_text())
        if each
    ]
    for each in resources:
        if each["kind"] != "VirtualService":
            continue
        for rule in each["spec"]["http"]:
            there = rule["route"][0]["destination"]
            subset = there.get("subset")
            if subset == "v2":
                rule["mirror"] = {**there, "subset": "v1"}
            elif "egressgateway" in there["host"]:
                rule["mirror"], rule["mirrorPercentage"] = there, {"value": 50.0}
    (tmp_path / "istio").mkdir()
    (tmp_path / "istio" / "all.yaml").write_text(yaml.safe_dump_all(resources))
    written = yaml.safe_load((SHIPPED / "scenario.yaml").read_text())
    written["tls"]["key"] = "ecdsa-p256"
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(written))
    loaded = load_scenario(tmp_path)
    prepared = prepare(loaded)
    topology = topology_of(prepared, "static")
    assert topology.copied_by_sidecars.keys() | topology.copied_by_gateways.keys() == {"v1", "v2"}
    material = make_material(loaded, tmp_path / "material")
    with LocalStack(prepared.stack_spec("copies", "static", material)) as stack:
        trial = TrialPlan("t", "steady", "static", Constant(arrival_rate=200), 1.0)
        load = load_plan(loaded.scenario, trial, stack_target(stack, loaded.scenario), "copies")
        books = Bookkeeper(stack, topology)
        before = books.read()
        outcome = generator.run_load(load, tmp_path / "generator")
        ledger = books.close(before, load, outcome)

    assert [each for each in ledger.books if each.state != "balanced"] == []
    named = {each.book: each.named.get(Cause.MIRROR, 0) for each in ledger.books}
    sent = ledger.requests
    assert -sent < named[Book.SIDECAR_ROUTING] < 0
    assert named[Book.GATEWAY_ROUTING] < 0
    with pytest.raises(InputError, match="mirror"):
        require_read(topology)
