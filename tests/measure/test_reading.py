"""Who reads a client's plain HTTP is said by the listeners on its way, and the account follows them."""

from collections import Counter
from pathlib import Path

import httpx
import pytest

from bench.errors import InputError
from bench.measure import Bookkeeper, TrialPlan, load_plan, require_read, stack_target, topology_of
from bench.preparation import make_material, prepare
from bench.result import Book, MissingCode
from bench.scenario import Constant
from bench.scenario.load import load_scenario
from bench.stack.local import LocalStack

HERE = Path(__file__).with_name("unread")
WEB = "outbound|9000||egress.istio-system.svc.cluster.local"
RAW = "outbound|8080||egress.istio-system.svc.cluster.local"


@pytest.fixture(scope="module")
def prepared():
    return prepare(load_scenario(HERE))


@pytest.fixture(scope="module")
def stack(prepared, tmp_path_factory):
    material = make_material(prepared.loaded, tmp_path_factory.mktemp("keys") / "material")
    with LocalStack(prepared.stack_spec("unread", "static", material)) as running:
        yield running


@pytest.mark.parametrize("source", ["static", "eds"])
def test_listeners_say_who_reads_which_requests(prepared, source):
    topology = topology_of(prepared, source)

    assert topology.unread == {"db", "raw"}
    assert topology.read_by_gateway == {"raw"}
    assert dict(topology.past_gateway) == {WEB: ("web",)}
    assert topology.to_gateway == ("outbound|80||egress.istio-system.svc.cluster.local",)


def test_ids_that_a_proxy_does_not_read_are_refused_by_name(prepared):
    with pytest.raises(InputError, match=r"db, raw, .*tcp"):
        require_read(topology_of(prepared, "static"))


def account(prepared, stack, generator, folder, run_id, *, during=lambda: None):
    scenario = prepared.loaded.scenario
    plan = TrialPlan("t", "steady", "static", Constant(arrival_rate=120), 0.5)
    load = load_plan(scenario, plan, stack_target(stack, scenario), run_id)
    books = Bookkeeper(stack, topology_of(prepared, "static"))
    before = books.read()
    outcome = generator.run_load(load, folder)
    during()
    return outcome, books.close(before, load, outcome)


@pytest.mark.envoy
@pytest.mark.nginx
def test_every_book_balances_whoever_reads(prepared, stack, generator, tmp_path):
    outcome, ledger = account(prepared, stack, generator, tmp_path, "one")

    sent = Counter()
    for stage in outcome.stages:
        sent.update({part.name: part.counts.answered for part in stage.subsets})
    assert sent.total() == sum(part.counts.due for stage in outcome.stages for part in stage.subsets) > 0
    assert [book for book in ledger.books if book.state != "balanced"] == []
    sums = {(book.book, book.nodes): book.left for book in ledger.books}
    assert sums[Book.CLIENT_TO_SIDECAR, ()] == sent["read"] + sent["web"]
    assert sums[Book.SIDECAR_TO_GATEWAY, ()] == sent["read"] + sent["raw"]
    assert sums[Book.CLIENT_TO_NODES, ("db",)] == sent["db"]
    assert sums[Book.CLIENT_TO_NODES, ("web",)] == sent["web"]
    assert sums[Book.GATEWAY_TO_NODES, ("raw",)] == sent["raw"]
    (missing,) = ledger.missing
    assert (missing.code, missing.requests) == (MissingCode.PASSED_ON, ("db",))


@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.parametrize("node", ["db", "web"])
def test_a_request_too_many_at_a_node_that_is_passed_on_to_opens_its_book(
    prepared, stack, generator, tmp_path, node
):
    def stray():
        address, port = next(iter(stack.component(node).addresses.values()))
        again = {"x-bench-id": f"{node}/10000000000"}
        answer = httpx.get(f"http://{address}:{port}/", headers=again, trust_env=False)
        assert answer.status_code == 200

    _, ledger = account(prepared, stack, generator, tmp_path, node, during=stray)

    (book,) = [book for book in ledger.books if book.state != "balanced"]
    assert (book.book, book.nodes, book.unexplained) == (Book.CLIENT_TO_NODES, (node,), -1)
