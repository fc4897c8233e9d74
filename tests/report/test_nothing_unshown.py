"""What a result holds beside the figures of its tables is on the page, too."""

import pytest

from bench.report.sections.faults import faults
from bench.report.sections.handshake import handshake
from bench.report.sections.ledger import ledger
from bench.result import ConnectionProof, FaultResult, FaultsResult, LedgerResult, read_result
from tests.report.synthetic import make_run


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return read_result(make_run(tmp_path_factory.mktemp("run"), rate=50, seconds=1))


def a_fault(**more):
    return FaultResult(
        name="node-down",
        title="a node is killed",
        expected="a node does not run",
        detected=True,
        found="a node does not run",
        detail="the process of nginx01 has ended",
        named_by="process watch",
        noticed_by="client",
        noticed_s=0.4,
        requests=12,
        of_requests=400,
        **more,
    )


def test_what_was_found_beside_a_fault_and_before_it(result):
    proof = FaultsResult(
        faults=(a_fault(also=("retries hide failures of a node",), early_alarms=3), a_fault())
    )

    section = faults(result.model_copy(update={"faults": proof}))

    beside, alone = (part.text for part in section.parts[-2:])
    assert alone == "a node is killed: the process of nginx01 has ended."
    assert beside.removeprefix(alone) == (
        " Also found: retries hide failures of a node. Wrong answers before the injection: 3."
    )


def test_how_many_connections_a_request_of_each_handshake_opened(result):
    full, resumed = result.handshake.modes
    modes = (full.model_copy(update={"connections_per_request": 0.98}), resumed)
    unknown = resumed.model_copy(update={"connections_per_request": None})

    for shown, expected in (((*modes,), ["0.98", "1.00"]), ((full, unknown), ["1.00", "–"])):
        found = result.handshake.model_copy(update={"modes": shown})
        section = handshake(result.model_copy(update={"handshake": found}))
        (table,) = [part for part in section.parts if "accounts agree" in getattr(part, "columns", ())]
        at = table.columns.index("per request")
        assert [row[at] for row in table.rows] == expected


def test_whom_both_ends_of_mutual_tls_had_to_see(result):
    proof = ConnectionProof(
        connections_of_gateway=4,
        connections_of_nodes=4,
        right_servers=4,
        right_clients=4,
        expected_server="CN=shop.example",
        expected_client="CN=egress, serial 0A",
    )
    account = LedgerResult(level="full", books=(), requests=100, connections=proof)
    trials = tuple(trial.model_copy(update={"ledger": account}) for trial in result.trials)

    shown = dict(ledger(result.model_copy(update={"trials": trials})).parts[0].pairs)

    assert shown["servers that the gateway had to see"] == "CN=shop.example"
    assert shown["client that the nodes had to see"] == "CN=egress, serial 0A"
