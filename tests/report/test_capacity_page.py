"""The pages of a search and of a plan, made from the result folder alone."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from bench import cli
from bench.analysis.cost import Window
from bench.analysis.cost.models import gateway_at_bound
from bench.analysis.verdict import judge
from bench.errors import InputError
from bench.report import write_report
from bench.result import (
    CapacityResult,
    CapacityTrial,
    CapacityWindow,
    ComponentCost,
    Constraint,
    CostModel,
    CostTerm,
    Residual,
    RoleLoad,
    read_result,
    write_result,
)
from tests.report.synthetic import make_run

COSTS = {
    "base": 0.05,
    "request": 100e-6,
    "full_handshake": 4e-3,
    "resumed_handshake": 500e-6,
    "mb_in": 2.5e-3,
}
MODEL = CostModel(
    part="gateway",
    terms=tuple(CostTerm(name=name, cpu_s=cpu, low=cpu * 0.9, high=cpu * 1.1) for name, cpu in COSTS.items()),
    never=("mb_out",),
    condition=5.0,
    residuals=(Residual(rate=500, measured_cpus=0.1, error=0.031),),
    ranges={
        "request": (100, 10_000),
        "full_handshake": (0, 1),
        "resumed_handshake": (0, 1),
        "mb_in": (0, 0.016),
    },
    draws=(tuple(COSTS.values()),),
)
JOINED = MODEL.model_copy(
    update={
        "part": "node",
        "terms": (
            CostTerm(name="request", joined_with=("full_handshake",), cpu_s=5e-3, low=4e-3, high=6e-3),
        ),
    }
)


def a_trial(rate, *, good, window, purpose="halve", why="0.2 % lost of at most 1 %"):
    return CapacityTrial(
        rate=rate,
        duration_s=1.0,
        purpose=purpose,
        good=good,
        why=why,
        loss=0.002 if good else 0.4,
        due=round(rate),
        bad=0,
        misrouted=0,
        slow=2,
        response_time_p50=900,
        response_time_p99=4_200 if good else 91_000,
        window=window,
    )


def a_window(rate):
    cost = ComponentCost(
        component="egress", role="egress", cpu_seconds=0.5, cpu_us_per_request=500.0, memory_bytes=None
    )
    return CapacityWindow(rate=rate, duration_s=1.0, sent=round(rate), costs=(cost,), generator_share=0.3)


CAPACITY = CapacityResult(
    limit="99 % of the requests within 50 ms",
    config_source="static",
    lowest=10,
    highest=30_000,
    width=0.01,
    state="found",
    lower=1_234.0,
    upper=1_246.0,
    throughput=1_231.5,
    soaked=True,
    spent_s=48.0,
    trials=(
        a_trial(1_234.0, good=True, window=0),
        a_trial(1_246.0, good=False, window=1, why="40 % lost of at most 1 %: it was slow"),
    ),
    windows=(a_window(1_234.0), a_window(1_246.0)),
    constraints=(Constraint(code="machine", evidence="all parts compete for the same processors"),),
    cost_models=(MODEL, JOINED),
    gateway_alone=4_321.0,
)


@pytest.fixture
def folder(tmp_path):
    made = make_run(tmp_path, seconds=3)
    alone = {"capacity": CAPACITY, "trials": (), "totals": (), "comparisons": (), "handshake": None}
    write_result(made, read_result(made).model_copy(update=alone))
    return made


def test_the_page_of_a_search_reports_bounds_constraint_every_trial_and_costs(folder):
    write_report(folder)
    page = (folder / "report.md").read_text()

    assert "1,234" in page
    assert "1,246" in page
    assert "the whole machine" in page
    assert "is not a capacity of the gateway" in page
    assert "4,321" in page
    assert "✗ 40 % lost of at most 1 %: it was slow" in page
    assert "request with full handshake" in page
    assert "condition number 5" in page
    assert "+3.1" in page


def test_a_search_within_a_run_is_one_of_the_five_answers(tmp_path):
    made = make_run(tmp_path, seconds=3)
    write_result(made, read_result(made).model_copy(update={"capacity": CAPACITY}))

    write_report(made)

    page = (made / "report.md").read_text()
    assert "1,234 requests/s meet the limit" in page
    assert "relevant lower bound" in page
    assert judge(read_result(made)).state == "passed"


def test_a_plan_is_reported_pasted_and_kept_as_a_page(folder):
    asked = (
        "--rate 20000 --new-connections 0.05 --body 4k --resumed 0.9 --cpu-per-pod 2 --headroom 0.3 --zones 3"
    )

    shown = CliRunner().invoke(cli.app, ["plan", str(folder), *asked.split(), "--json"])
    said = CliRunner().invoke(cli.app, ["plan", str(folder), *asked.split()])

    assert shown.exit_code == 0, shown.output
    answer = json.loads(shown.stdout)["plan"]
    assert (answer["replicas"], answer["with_spare"], answer["hpa_target_percent"]) == (3, 6, 70)
    assert "3 replicas" in said.stdout
    pasted = said.stdout[said.stdout.index("# Resources") : said.stdout.index("page ")]
    assert [document["kind"] for document in yaml.safe_load_all(pasted) if "kind" in document] == [
        "HorizontalPodAutoscaler"
    ]
    page = (folder / "plan.html").read_text()
    assert "HorizontalPodAutoscaler" in page
    assert "local ports" in page


@pytest.mark.parametrize("asked", ["--rate 0", "--rate nan", "--rate 9 --body 4x", "--rate 9 --headroom 1"])
def test_nonsense_is_an_error_and_writes_no_page(folder, asked):
    shown = CliRunner().invoke(cli.app, ["plan", str(folder), *asked.split()])

    assert isinstance(shown.exception, InputError)
    assert not (folder / "plan.html").exists()


def test_the_headline_of_a_plan_is_no_verdict_on_a_path(folder):
    for rate, state in (("9000", "Plan"), ("90000000", "Plan with reservations")):
        CliRunner().invoke(
            cli.app, ["plan", str(folder), "--rate", rate, "--zones", "1", "--cpu-per-pod", "90"]
        )

        page = (folder / "plan.html").read_text()
        assert f"<strong>{state}</strong>" in page
        assert f".{state.lower().replace(' ', '-')}" in page, "it has no colour"
        assert f"**{state}.**" in (folder / "plan.md").read_text()


def test_a_plan_knows_what_the_gateway_used_at_the_bound(folder):
    found = read_result(folder)
    busy = a_window(1_234.0).model_copy(
        update={
            "read_s": 2.0,
            "by_role": {"egress": RoleLoad(requests=2_400, handshakes=10, sessions_reused=8)},
        }
    )
    measured = found.model_copy(
        update={"capacity": CAPACITY.model_copy(update={"windows": (busy, a_window(1_246.0))})}
    )

    assert gateway_at_bound(measured) == Window(
        2.0, 2_400, full_handshakes=2, resumed_handshakes=8, cpu_s=0.5
    )
    assert gateway_at_bound(found) is None, "nobody looked how many requests the gateway carried"
    unbounded = CAPACITY.model_copy(update={"lower": None})
    assert gateway_at_bound(found.model_copy(update={"capacity": unbounded})) is None
    assert gateway_at_bound(found.model_copy(update={"capacity": None})) is None


def test_a_result_without_a_cost_model_cannot_be_planned_with(tmp_path):
    shown = CliRunner().invoke(cli.app, ["plan", str(make_run(tmp_path, seconds=3)), "--rate", "100"])

    assert isinstance(shown.exception, InputError)
    assert "egress-bench capacity" in str(shown.exception)
