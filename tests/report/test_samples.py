"""Samples are stored whole, in formats that other HDR tools read."""

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from bench.analysis.latency import merge, summarise
from bench.errors import MeasurementError
from bench.report.samples import read_blobs, write_samples
from bench.result import SecondRow
from tests.support.histograms import an_outcome, blob
from tests.support.results import trial_result


def a_trial(name="block 1, 1st: static"):
    return trial_result(name)


def a_subset(name="v1"):
    return an_outcome(name, response=(1000, 2000), service=(900, 1900), lag=(5, 7))


def test_what_was_stored_is_read_back_for_each_clock(tmp_path):
    write_samples(tmp_path, a_trial(), [a_subset()])

    found = read_blobs(tmp_path, a_trial(), "v1", "service_time")

    assert summarise(merge(found)) == summarise(merge([blob(900, 1900)]))
    assert read_blobs(tmp_path, a_trial(), "v2", "lag") == ()


def test_the_librarys_own_reader_understands_the_log(tmp_path):
    write_samples(tmp_path, a_trial(), [a_subset()])
    log = tmp_path / "samples" / "steady-block-1-1st-static" / "v1.hlog"

    reader = HistogramLogReader(str(log), HdrHistogram(1, 3_600_000_000, 3))
    tags = [reader.get_next_interval_histogram() for _ in range(3)]
    reader.input_file.close()

    assert [(part.get_tag(), part.get_total_count()) for part in tags] == [
        ("response_time", 2),
        ("service_time", 2),
        ("lag", 2),
    ]


def test_percentile_files_stand_beside_the_logs(tmp_path):
    write_samples(tmp_path, a_trial(), [a_subset()])

    table = (tmp_path / "samples" / "steady-block-1-1st-static" / "v1.response_time.hgrm").read_text()

    assert table.split()[:3] == ["Value", "Percentile", "TotalCount"]
    assert "TotalCount     =        2.000" in table


def test_subsets_that_differ_only_in_case_get_files_of_their_own(tmp_path):
    write_samples(tmp_path, a_trial(), [a_subset("v1"), a_subset("V1")])

    logs = {path.name.lower() for path in tmp_path.rglob("*.hlog")}

    assert len(logs) == 2
    assert len(read_blobs(tmp_path, a_trial(), "V1", "lag")) == 1


def test_a_second_trial_of_the_same_name_overwrites_nothing(tmp_path):
    write_samples(tmp_path, a_trial(), [a_subset()])

    with pytest.raises(MeasurementError, match="stored already"):
        write_samples(tmp_path, a_trial(), [a_subset()])


def test_seconds_of_all_trials_share_one_table(tmp_path):
    row = SecondRow("t", "steady", "measure", "measure", 0, 10, 9, 1, None, 500)

    write_samples(tmp_path, a_trial("a"), [], [row])
    write_samples(tmp_path, a_trial("b"), [], [row])

    lines = (tmp_path / "samples" / "timeseries.csv").read_text().splitlines()
    assert lines[0].startswith("trial,experiment,stage,kind,second,due,answered,bad")
    assert lines[1:] == ["t,steady,measure,measure,0,10,9,1,,500"] * 2
