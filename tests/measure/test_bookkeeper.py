"""The account of a trial on real Envoy and nginx: balanced when all is well, never when it is not."""

import os
import signal
import threading
import time

import httpx
import pytest

from bench.analysis.ledger import summarise_ledger
from bench.analysis.verdict import judge
from bench.errors import InputError
from bench.measure.bookkeeper import Bookkeeper
from bench.measure.request_matching import Matcher, require_matchable
from bench.measure.trial_plan import TrialPlan, load_plan, stack_target
from bench.result import Book, DamageCode, LedgerBook, LedgerResult, NoteCode, read_result
from bench.scenario.load import load_scenario
from bench.scenario.traffic import Closed, Constant
from bench.stack.nodes import FLUSH_INTERVAL_S
from tests.report.synthetic import make_run
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = [pytest.mark.envoy, pytest.mark.nginx, pytest.mark.whole_path]

RATE = 100.0
DUE = 150


@pytest.fixture
def account(ground, generator, tmp_path):
    """Half a second of warm-up and one of load, *during* called in its middle, the books closed."""

    def close_books(run_id, *, during=lambda: None, after=lambda: None, schedule=None):
        plan = TrialPlan("t", "steady", "eds", schedule or Constant(arrival_rate=RATE), 1.0)
        load = load_plan(ground.scenario, plan, stack_target(ground.stack, ground.scenario), run_id)
        warm_up = load.stages[0].model_copy(update={"duration_s": 0.5})
        load = load.model_copy(update={"stages": (warm_up, *load.stages[1:])})
        matcher = Matcher.of_prepared(ground.prepared, ground.topology, ground.material)
        keeper = Bookkeeper(ground.stack, ground.topology, matcher)
        opening = keeper.read()
        began = threading.Event()
        side = threading.Thread(target=lambda: (began.wait(PATIENCE_S), time.sleep(0.7), during()))
        side.start()
        outcome = generator.run_load(load, tmp_path / run_id, on_event=lambda _: began.set())
        side.join()
        after()
        return keeper.close(opening, load, outcome)

    return close_books


def state_of(ledger, level, name):
    return next(book.state for book in ledger.books if (book.level, book.title) == (level, name))


def path_call(ground, **headers):
    target = stack_target(ground.stack, ground.scenario)["v1"]
    return httpx.get(
        f"http://{target.address}:{target.port}/",
        headers={"host": ground.scenario.traffic.host, "want": "v1", **headers},
        trust_env=False,
    )


def test_every_book_balances_and_every_connection_has_the_right_peers(account, ground):
    ledger = account("clean")

    assert ledger.is_balanced, [book for book in ledger.books if book.state != "balanced"]
    assert {book.level for book in ledger.books} == {"counters", "full"}
    assert ledger.requests == ledger.matched == DUE
    assert ledger.misrouted == 0
    assert ledger.misroute_upper_bound == pytest.approx(1 - 0.05 ** (1 / DUE))
    proof = ledger.connections
    assert 0 < proof.connections_of_gateway == proof.connections_of_nodes == proof.right_clients
    assert proof.expected_client.endswith(f"serial {ground.material.client.serial}")


def test_a_closed_loop_is_matched_to_its_last_request(account):
    ledger = account("closed", schedule=Closed(kind="closed"))

    assert ledger.is_balanced, [book for book in ledger.books if book.state != "balanced"]
    assert ledger.matched == ledger.requests > DUE


def test_a_request_of_somebody_else_does_not_pass_for_one_of_ours(account, ground):
    ledger = account("ghost", during=lambda: path_call(ground))

    open_books = {book.title: book.unexplained for book in ledger.books if book.state == "open"}
    assert open_books["client to sidecar"] == -1
    assert not ledger.is_balanced


def test_an_id_that_was_sent_again_by_hand_is_named(account, ground):
    ledger = account(
        "again",
        during=lambda: path_call(ground, **{"x-bench-id": "again/0010000000003"}),
    )

    twice = next(b for b in ledger.books if (b.level, b.title) == ("full", "client to sidecar"))
    assert twice.state == "open"
    (note,) = twice.examples
    assert (note.code, note.id) == (NoteCode.LOGGED_TWICE, "again/10000000003")


def test_a_node_log_that_was_truncated_is_not_a_balance(account, ground):
    log = ground.stack.component("nginx01").access_log
    # Only a log that had something before can be seen to be shorter than it was.
    account("first")

    def truncate():
        time.sleep(2 * FLUSH_INTERVAL_S)
        os.truncate(log, 0)

    ledger = account("cut", after=truncate)

    assert state_of(ledger, "counters", "gateway to nginx01") == "incomplete"
    assert any("truncated" in damage.detail for book in ledger.books for damage in book.damages)


def test_a_node_log_that_was_rotated_under_way_is_not_a_balance(account, ground):
    node = ground.stack.component("nginx01")

    def rotate():
        node.access_log.rename(node.access_log.with_suffix(".1"))
        os.kill(node.pid, signal.SIGUSR1)
        wait_until(node.access_log.exists)

    ledger = account("rotated", during=rotate)

    assert state_of(ledger, "counters", "gateway to nginx01") == "incomplete"
    assert any("rotated" in damage.detail for book in ledger.books for damage in book.damages)


def test_a_disk_that_is_full_under_a_log_is_not_a_balance(account, ground):
    """Whatever nginx writes there is refused for want of room, and nginx goes on answering."""
    ground.rewrite_node(
        "nginx01", lambda conf: conf.replace("access_log access.log", "access_log /dev/full", 1)
    )
    try:
        ledger = account("full")
    finally:
        ground.heal()

    assert state_of(ledger, "counters", "gateway to nginx01") == "open"
    assert state_of(ledger, "full", "gateway to nodes") in ("open", "incomplete")
    assert not ledger.is_balanced


def test_a_gateway_that_was_restarted_leaves_its_books_open_for_want_of_counters(account, ground):
    def restart():
        ground.parts.kill("egress")
        ground.parts.restart("egress")

    ledger = account("reset", during=restart)

    assert state_of(ledger, "counters", "gateway listener") == "incomplete"
    assert state_of(ledger, "counters", "client") == "balanced"
    assert any(damage.code is DamageCode.COUNTERS_RESET for book in ledger.books for damage in book.damages)


def test_the_ids_of_a_closed_loop_of_two_workers_cannot_be_known(pytestconfig):
    traffic = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls").scenario.traffic

    with pytest.raises(InputError, match="closed loop"):
        require_matchable(traffic.model_copy(update={"schedule": Closed(kind="closed"), "workers": 2}))


def test_an_unexplained_request_fails_the_run_that_met_all_its_limits(tmp_path):
    folder = make_run(tmp_path)
    result = read_result(folder)
    assert judge(result).state == "passed"
    book = LedgerBook(
        level="counters",
        book=Book.SIDECAR_TO_GATEWAY,
        left=100,
        right=99,
        unexplained=1,
        state="open",
    )
    ledger = LedgerResult(level="counters", books=(book,), requests=100)
    trials = (result.trials[0].model_copy(update={"ledger": ledger}), *result.trials[1:])
    spoilt = result.model_copy(update={"trials": trials})

    assert judge(spoilt).exit_code == 1
    assert "sidecar to gateway" in judge(spoilt).sentence
    assert summarise_ledger(spoilt).unexplained == 1
