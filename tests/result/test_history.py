"""Results that older versions wrote are read today; `stored/` holds one of each schema version."""

import json
import shutil
from pathlib import Path

import pytest

from bench.analysis.compare import compare_sources
from bench.analysis.ledger import summarise_ledger
from bench.errors import InputError
from bench.report.build import write_report
from bench.result import SCHEMA_VERSION, Book, Cause, DamageCode, Reason, read_result

STORED = Path(__file__).parent / "stored"


@pytest.fixture
def of_schema_1(tmp_path):
    shutil.copy(STORED / "schema-1.json", tmp_path / "result.json")
    return tmp_path


def test_there_is_a_stored_result_of_every_older_version():
    assert {path.stem for path in STORED.iterdir()} == {f"schema-{n}" for n in range(1, SCHEMA_VERSION)}


def test_sentences_of_schema_1_are_codes_today(of_schema_1):
    result = read_result(of_schema_1)

    ledger = result.trials[0].ledger
    client, listener = ledger.books[1], ledger.books[2]
    assert result.schema_version == SCHEMA_VERSION
    assert (client.book, client.named) == (
        Book.CLIENT_TO_SIDECAR,
        {Cause.NOT_CONNECTED: 2, Cause.NO_ROUTE: 1},
    )
    assert client.examples[0].text == "r/7: not in the sidecar's log"
    assert (listener.damages[0].code, listener.damages[0].detail) == (
        DamageCode.COUNTERS_RESET,
        "egress: its uptime went back",
    )
    assert [(book.book, book.nodes) for book in ledger.books if book.book is Book.GATEWAY_TO_NODES] == [
        (Book.GATEWAY_TO_NODES, ("nginx01",)),
        (Book.GATEWAY_TO_NODES, ("nginx02",)),
        (Book.GATEWAY_TO_NODES, ()),
    ]
    assert [Reason.of(key).text for key in result.trials[0].total.reasons] == [
        "status 503",
        "connection reset in the middle of the answer",
    ]
    assert result.generator.null_target_baseline.p50 == 104


def test_memory_is_of_the_process_also_in_an_old_result(of_schema_1):
    found = compare_sources(read_result(of_schema_1).comparisons)
    wordings = {each.metric: each.wording for each in found}

    assert "one process of each source" in wordings["gateway memory"]
    assert "one process" not in wordings["response time p50"]


def test_a_report_can_be_made_from_an_old_result(of_schema_1):
    assert summarise_ledger(read_result(of_schema_1)).unexplained == -3
    text = write_report(of_schema_1).read_text()
    assert "never reached the proxy 2" in text
    assert "Example of “status 503”" in text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda old: old.pop("run_id"),
        lambda old: old["trials"][0].pop("subsets"),
        lambda old: old["trials"][0]["ledger"]["books"][0].update(book="of another world"),
        lambda old: old["trials"][0]["ledger"]["books"][0].update(named={"magic": 1}),
        lambda old: old.update(trials=7),
        lambda old: old.update(totals=["a"]),
    ],
)
def test_an_old_result_that_was_spoilt_is_one_paragraph(of_schema_1, spoil):
    path = of_schema_1 / "result.json"
    old = json.loads(path.read_text())
    spoil(old)
    path.write_text(json.dumps(old))

    with pytest.raises(InputError, match="is not what schema version 1 says"):
        read_result(of_schema_1)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99])
def test_a_result_of_a_newer_version_says_so(of_schema_1, version):
    path = of_schema_1 / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": version}))

    with pytest.raises(InputError, match="newer egress-bench"):
        read_result(of_schema_1)
