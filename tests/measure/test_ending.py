"""Whatever stops an experiment, what it measured is kept and the error says where."""

import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.errors import LoadError, StackError
from bench.measure.ending import InterruptedRunError, kept
from bench.measure.run_record import RunRecord
from bench.result import FaultsResult, Fingerprint, read_result
from bench.scenario.load import load_scenario

ROOT = Path(__file__).resolve().parents[2]
NOTHING = Fingerprint(machine={}, versions={}, scenario_hash="", config_hashes={}, stack="none")


@pytest.fixture
def record(tmp_path):
    return RunRecord.open(
        load_scenario(ROOT / "scenarios" / "egress-mtls"),
        out=tmp_path,
        command="egress-bench run",
        fingerprint=NOTHING,
        started_at=datetime.now(UTC),
    )


def test_a_result_that_nothing_ended_says_that_it_was_cut_off(record):
    assert read_result(record.folder).state == "aborted"


@pytest.mark.parametrize(
    ("raised", "becomes", "reason"),
    [
        (KeyboardInterrupt(), InterruptedRunError, "interrupted by the user"),
        (LoadError("the target is gone."), LoadError, "the target is gone."),
        (KeyError("nodes"), KeyError, "a defect of egress-bench: KeyError: 'nodes'"),
        (OSError(errno.ENOSPC, "No space left on device", "/full/log"), StackError, "/full/log: the system"),
    ],
    ids=["interrupted", "an error of ours", "a defect of ours", "a full disk"],
)
def test_what_was_measured_is_kept_with_the_reason(record, raised, becomes, reason):
    record.faults = FaultsResult(clean_runs=1)

    with pytest.raises(becomes), kept(record):
        raise raised

    result = read_result(record.folder)
    assert (result.state, result.faults.clean_runs) == ("aborted", 1)
    assert reason in result.reason
    assert (record.folder / "report.html").is_file()


def test_without_a_finding_there_is_no_report(record):
    with pytest.raises(LoadError), kept(record):
        raise LoadError("nothing was measured.")

    assert read_result(record.folder).reason == "nothing was measured."
    assert not (record.folder / "report.html").exists()


def test_a_second_failure_does_not_hide_the_first(record, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bench.measure.run_record.write_result", full)

    with pytest.raises(LoadError, match="the first"), kept(record):
        raise LoadError("the first.")


def test_what_ends_well_passes_through(record):
    with kept(record):
        pass

    assert record.complete().state == "complete"
