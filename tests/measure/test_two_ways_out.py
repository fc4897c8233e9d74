"""Requests that leave by the gateway beside others that the sidecar itself sends to the same nodes."""

import pytest
import yaml

from bench.measure import Bookkeeper, TrialPlan, load_plan, stack_target, topology_of
from bench.preparation import make_material, prepare
from bench.result import Book
from bench.scenario import Constant
from bench.scenario.load import load_scenario
from bench.stack.local import LocalStack

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]


def test_both_ways_are_in_one_book_of_the_nodes_and_it_balances(pytestconfig, tmp_path, generator):
    shipped = pytestconfig.rootpath / "scenarios" / "egress-mtls"
    written = yaml.safe_load((shipped / "scenario.yaml").read_text())
    written["tls"]["key"] = "ecdsa-p256"
    written["istio"] = str(shipped / "istio")
    host = "http://nginx.external.svc.cluster.local"
    written["traffic"] = {
        "client": "sleep",
        "gateway": "egress",
        "requests": {
            "v1": {"url": f"{host}/", "headers": {"want": "v1"}, "expect": {"nodes": ["nginx01"]}},
            # No rule leads this port to the gateway: the sidecar starts TLS itself.
            "straight": {"url": f"{host}:443/", "expect": {"nodes": ["nginx01", "nginx02"]}},
        },
    }
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(written))
    loaded = load_scenario(tmp_path)
    prepared, material = prepare(loaded), make_material(loaded, tmp_path / "material")
    plan = TrialPlan("t", "steady", "static", Constant(arrival_rate=120), 0.5)

    topology = topology_of(prepared, "static")
    assert list(topology.straight) == ["outbound|443||nginx.external.svc.cluster.local"]
    with LocalStack(prepared.stack_spec("two-ways", "static", material)) as stack:
        books = Bookkeeper(stack, topology)
        load = load_plan(loaded.scenario, plan, stack_target(stack, loaded.scenario), "one")
        before = books.read()
        outcome = generator.run_load(load, tmp_path / "load")
        ledger = books.close(before, load, outcome)

    counts = {part.name: 0 for stage in outcome.stages for part in stage.subsets}
    for stage in outcome.stages:
        for part in stage.subsets:
            counts[part.name] += part.counts.answered
    assert [(book.title, book.unexplained) for book in ledger.books if book.state != "balanced"] == []
    left = {book.book: book.left for book in ledger.books}
    assert left[Book.SIDECAR_TO_GATEWAY] == counts["v1"] > 0
    assert left[Book.GATEWAY_TO_NODES] == sum(counts.values()) > counts["v1"]


def test_what_is_to_pass_the_gateway_has_no_other_way_in_the_books(pytestconfig):
    """The sidecar has clusters of the nodes' own, too: a request that took one went astray."""
    loaded = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls")

    assert topology_of(prepare(loaded), "static").straight == {}
