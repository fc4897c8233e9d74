"""Two clients that leave the mesh by themselves over HTTPS, bytes, HTTP and gRPC: verified, accounted for."""

import socket
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.load.run import measure_null_target_baseline
from bench.measure import Bookkeeper, TrialPlan, load_plan, require_matchable, stack_target, topology_of
from bench.preparation import make_material, prepare
from bench.result import Book, MissingCode
from bench.scenario import Constant
from bench.scenario.load import load_scenario
from bench.stack.local import LocalStack
from bench.stack.nodes import FLUSH_INTERVAL_S
from bench.telemetry import wait_until_flushed
from bench.verify.verifier import Verifier

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]
HERE = Path(__file__).with_name("any_shape")


@pytest.fixture(scope="module")
def loaded():
    return load_scenario(HERE)


@pytest.fixture(scope="module")
def prepared(loaded):
    return prepare(loaded)


@pytest.fixture(scope="module")
def material(loaded, tmp_path_factory):
    return make_material(loaded, tmp_path_factory.mktemp("keys") / "material")


@pytest.fixture(scope="module")
def stack(prepared, material):
    with LocalStack(prepared.stack_spec("any-shape", "static", material)) as running:
        yield running


def settle(stack):
    """What was called before must not come into the logs later."""
    logs = [part.access_log for part in stack.components() if part.access_log is not None]
    wait_until_flushed([log for log in logs if log.exists()], quiet_s=3 * FLUSH_INTERVAL_S)


def load_of(loaded, stack, run_id):
    plan = TrialPlan("t", "steady", "static", Constant(arrival_rate=120), 0.5)
    return load_plan(loaded.scenario, plan, stack_target(stack, loaded.scenario), run_id)


def test_every_request_and_every_matrix_is_verified_for_its_own_client(prepared, material, stack):
    verifier = Verifier(prepared, material)

    lines = {line.name: line for line in (*verifier.ask_scenario(stack), *verifier.ask_matrix(stack))}

    assert [name for name, line in lines.items() if not line.passed] == []
    assert {"pay from sleep", "pay from batch", "db from batch", "web from sleep"} <= lines.keys()
    assert {"request matrix", "request matrix of batch"} <= lines.keys()
    assert lines["db from batch"].expected == "an answer from db1"


def test_the_account_balances_for_what_proxies_read_and_for_what_they_pass_on(
    loaded, prepared, stack, generator, tmp_path
):
    books = Bookkeeper(stack, topology_of(prepared, "static"))
    load = load_of(loaded, stack, "one")
    settle(stack)
    before = books.read()

    outcome = generator.run_load(load, tmp_path / "load")
    ledger = books.close(before, load, outcome)

    assert [(book.title, book.state) for book in ledger.books if book.state != "balanced"] == []
    reported = {(book.book, book.nodes): book.left for book in ledger.books}
    counts = {part.name: part.counts for stage in outcome.stages for part in stage.subsets}
    assert all(part.answered == part.due for part in counts.values())
    assert reported[Book.CLIENT_TO_NODES, ("db1",)] == sum(
        part.counts.sent for stage in outcome.stages for part in stage.subsets if part.name == "db from batch"
    )
    assert (Book.SIDECAR_TO_NODES, ("web1",)) in reported
    assert {each.code for each in ledger.missing} == {MissingCode.PASSED_ON, MissingCode.NO_GATEWAY}


def test_a_line_that_no_request_explains_opens_the_book_of_its_node(
    loaded, prepared, stack, generator, tmp_path
):
    books = Bookkeeper(stack, topology_of(prepared, "static"))
    load = load_of(loaded, stack, "two")
    settle(stack)
    before = books.read()

    outcome = generator.run_load(load, tmp_path / "load")
    with socket.create_connection(next(iter(stack.component("db1").addresses.values())), 10) as stranger:
        stranger.sendall(b"nobody\n")
        assert stranger.recv(100) == b"db1 nobody\n"
    ledger = books.close(before, load, outcome)

    (book,) = [book for book in ledger.books if book.state != "balanced"]
    assert (book.book, book.nodes, book.unexplained) == (Book.CLIENT_TO_NODES, ("db1",), -1)


def test_the_null_target_takes_every_shape_as_plain_http(loaded, stack, generator, tmp_path):
    outcome = measure_null_target_baseline(
        load_of(loaded, stack, "stub"), tmp_path, duration_s=0.3, run_load=generator.run_load
    )

    assert sum(part.counts.answered for part in outcome.stages[1].subsets) == 36
    assert outcome.generator.handshake_time is None


def test_ids_of_what_proxies_do_not_read_cannot_be_matched_and_it_is_said(loaded):
    with pytest.raises(InputError, match="proxies pass on pay from sleep"):
        require_matchable(loaded.scenario.traffic)
