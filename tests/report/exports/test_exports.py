"""Each form is read by a program that is not ours, and holds the numbers of the result."""

import csv
import io
import json

import pytest
from junitparser import Failure, JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bench.check import Finding, Level, RuleCase
from bench.errors import InputError, Position
from bench.message import say
from bench.report import Exports
from bench.result import LimitCheck, VerificationLine, read_result
from tests.report.synthetic import make_run


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("exports"))
    return folder, read_result(folder)


def write(measured, path, form, **changes):
    folder, result = measured
    exports = Exports(**{form: path})
    exports.check()
    exports.write(result.model_copy(update=changes), folder)
    return path.read_text()


def test_a_junit_parser_counts_every_proof_and_shows_why_one_failed(measured, tmp_path):
    wrong = VerificationLine(
        name="v1 <&> \x1b[31mred\ufffe",
        sent="GET /",
        expected="200",
        got="503",
        node=None,
        passed=False,
    )
    unproven = LimitCheck(name="p99", limit="50 ms", measured="–", passed=False, is_proven=False)

    path = tmp_path / "junit.xml"
    write(measured, path, "junit", verification=(wrong,), limits=(unproven,))
    read = JUnitXml.fromfile(str(path))
    cases = {case.name: case for suite in read for case in suite}

    assert read.tests == len(cases) == sum(suite.tests for suite in read)
    (why,) = cases["v1 <&> red\N{REPLACEMENT CHARACTER}"].result
    assert isinstance(why, Failure)
    assert why.message == "expected 200, got 503"
    assert cases["p99"].is_skipped
    assert read.failures == 2, "the call, and with it the verdict"


def test_a_run_that_passed_has_no_failure(measured, tmp_path):
    path = tmp_path / "junit.xml"
    write(measured, path, "junit")
    read = JUnitXml.fromfile(str(path))

    assert (read.failures, read.errors) == (0, 0)
    assert read.tests > 4


def test_an_openmetrics_parser_reads_counts_seconds_and_the_verdict(measured, tmp_path):
    text = write(measured, tmp_path / "egress.prom", "prometheus")
    samples = {
        (sample.name, *(sample.labels.get(name) for name in ("subset", "outcome", "quantile"))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    _, result = measured
    total = result.totals[-1]

    assert samples["egress_bench_requests", total.name, "answered", None] == total.answered
    assert samples["egress_bench_exit_code", None, None, None] == 0
    assert samples["egress_bench_response_time_seconds", total.name, None, "0.5"] == pytest.approx(
        total.response_time.p50 / 1e6
    )


def test_what_is_unknown_is_not_a_metric(measured, tmp_path):
    _, result = measured
    total = result.totals[-1]
    unknown = total.model_copy(
        update={"response_time": total.response_time.model_copy(update={"p999": None})}
    )

    text = write(measured, tmp_path / "egress.prom", "prometheus", totals=(unknown,))

    assert 'egress_bench_response_time_seconds{quantile="0.999"' not in text
    assert 'quantile="0.99"' in text


def test_the_table_has_a_row_for_each_trial_and_subset_and_one_for_the_whole(measured, tmp_path):
    rows = list(csv.DictReader(io.StringIO(write(measured, tmp_path / "table.csv", "csv"))))
    _, result = measured

    assert len(rows) == sum(len(trial.subsets) + 1 for trial in result.trials)
    for trial in result.trials:
        (whole,) = [row for row in rows if (row["trial"], row["subset"]) == (trial.name, "*")]
        assert int(whole["due"]) == trial.total.due
        assert whole["response_time_p50_us"] == str(trial.total.response_time.p50)


def test_fortios_file_has_its_fields_in_seconds_and_loses_no_sample(measured, tmp_path):
    document = json.loads(write(measured, tmp_path / "fortio.json", "fortio"))
    _, result = measured
    total = result.totals[-1]
    histogram = document["DurationHistogram"]

    assert document["RunType"] == "HTTP"
    assert histogram["Count"] == sum(bar["Count"] for bar in histogram["Data"]) == total.answered
    assert histogram["Data"][-1]["Percent"] == pytest.approx(100)
    (median,) = [each["Value"] for each in histogram["Percentiles"] if each["Percentile"] == 50]
    assert median == pytest.approx(total.response_time.p50 / 1e6, rel=0.01)
    assert document["RetCodes"] == {"200": total.answered}


def test_fortio_sees_a_wrong_status_as_itself_and_no_answer_as_its_socket_error(measured, tmp_path):
    _, result = measured
    total = result.totals[-1].model_copy(
        update={
            "due": 100, "sent": 98, "answered": 90, "unsent": 2, "failed": 8, "misrouted": 0,
            "reasons": {"status:503": 5, "timeout": 3, "queue-full": 2},
        }
    )  # fmt: skip

    document = json.loads(write(measured, tmp_path / "fortio.json", "fortio", totals=(total,)))

    assert document["RetCodes"] == {"-1": 3, "200": 90, "503": 5}


def test_summaries_of_several_commands_lie_one_after_the_other(measured, tmp_path):
    path = tmp_path / "summary.md"
    first = write(measured, path, "summary")
    both = write(measured, path, "summary")

    assert first.startswith("## ✅ egress-bench: ")
    assert both == first + first


def test_findings_and_errors_become_cases(tmp_path):
    path, summary = tmp_path / "check.xml", tmp_path / "check.md"
    exports = Exports(junit=path, summary=summary)
    message = say(RuleCase.INPUT, what="It is odd.", remedy="Mend it.")
    found = Finding(Level.WARNING, "EB0001", Position("a.yaml", 7), "Gateway a/b", message)

    for fails, failures in ((False, 0), (True, 1)):
        exports.write_findings([found], fails_on_warning=fails)
        assert JUnitXml.fromfile(str(path)).failures == failures
    assert "a.yaml:7" in summary.read_text()

    exports.write_error(InputError("there is no folder.", where="x", remedy="Make it."))
    assert JUnitXml.fromfile(str(path)).errors == 1


@pytest.mark.parametrize("place", ["nowhere/junit.xml", "."])
def test_a_file_that_cannot_be_written_is_found_before_anything_runs(tmp_path, place):
    with pytest.raises(InputError, match="folder"):
        Exports(junit=tmp_path / place).check()
