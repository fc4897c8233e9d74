"""Many runs over time: what is comparable is one series, and a change of level is named with what changed."""

import json
from datetime import timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import cli
from bench.analysis.history import history_of
from bench.errors import InputError
from bench.report import write_history
from bench.result import read_result, write_result
from tests.report.synthetic import START, make_run

RUNS, STEP = 24, 14


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("history"))
    return read_result(folder)


def a_run(base, number, random, *, slower=1.0, **changes):
    total = base.totals[-1]
    median = round(total.response_time.p50 * slower * float(random.normal(1, 0.01)))
    response_time = total.response_time.model_copy(update={"p50": median})
    started = (START + timedelta(days=number)).isoformat()
    totals = (*base.totals[:-1], total.model_copy(update={"response_time": response_time}))
    return base.model_copy(
        update={"run_id": f"run{number}", "started_at": started, "totals": totals, **changes}
    )


def with_envoy(base, version):
    versions = {**base.fingerprint.versions, "envoy": version}
    return base.fingerprint.model_copy(update={"versions": versions})


def a_series(base):
    random = np.random.default_rng(1)
    return [
        a_run(
            base,
            number,
            random,
            slower=1.0 if number < STEP else 1.1,
            fingerprint=with_envoy(base, "1.39.0" if number < STEP else "1.40.0"),
        )
        for number in range(RUNS)
    ]


def test_a_new_level_is_found_where_it_began_and_with_what_changed(base):
    (group,) = history_of(a_series(base)[::-1]).groups
    (series,) = [each for each in group.series if each.name == "response time p50"]
    (change,) = series.changes

    assert group.results[series.runs[change.at]].run_id == f"run{STEP}"
    assert change.share == pytest.approx(0.1, abs=0.02)
    assert group.changed[STEP] == ("envoy 1.39.0 → 1.40.0",)
    assert [each.name for each in group.series if each.changes] == ["response time p50"]


def test_other_machines_and_scenarios_are_series_of_their_own_and_aborted_runs_none(base):
    random = np.random.default_rng(2)
    machine = {**base.fingerprint.machine, "cpu": "another"}
    others = base.fingerprint.model_copy(update={"machine": machine})
    results = [
        *(a_run(base, number, random) for number in range(3)),
        a_run(base, 3, random, fingerprint=others),
        a_run(base, 4, random, state="aborted", reason="node died"),
    ]

    found = history_of(results)

    assert [len(group.results) for group in found.groups] == [3, 1]
    assert [(result.run_id, why) for result, why in found.left_out] == [("run4", "was aborted")]


def test_the_page_shows_each_series_and_the_command_names_the_change(base, tmp_path):
    for result in a_series(base):
        folder = tmp_path / result.run_id
        folder.mkdir()
        write_result(folder, result)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text("{")

    shown = CliRunner().invoke(cli.app, ["history", str(tmp_path), "--json"])

    assert shown.exit_code == 0, shown.output
    document = json.loads(shown.stdout)
    assert document["runs"] == RUNS
    (change,) = document["changes"]
    assert (change["figure"], change["from_run"]) == ("response time p50", f"run{STEP}")
    page = (tmp_path / "history.html").read_text()
    assert page.count("<svg") >= 4
    assert "envoy 1.39.0 → 1.40.0" in page
    states = ("changes", "too few runs", "no change")
    assert all(f".{state.replace(' ', '-')}" in page for state in states), "each headline has a colour"
    assert "not JSON" in page, "a result that cannot be read is named"


def test_a_folder_without_results_is_named(tmp_path):
    with pytest.raises(InputError, match="no result below"):
        write_history(tmp_path)
