"""What is said against a lab, and what it comes to."""

import pytest

from bench.analysis.tls import judge_lab, lab_findings
from bench.analysis.verdict import judge
from bench.result import Estimate
from tests.report.synthetic_lab import STORM, cell, event, lab, lab_result, oracle, point, refusal, reuse


def codes(found):
    return [each.code for each in lab_findings(found)]


def test_a_lab_without_a_fault_passes():
    found = lab()

    assert codes(found) == []
    assert judge_lab(found)[0]
    assert judge(lab_result(found)).exit_code == 0


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"cells": (cell(oracle=(oracle(below=True),)),)}, "below-oracle"),
        ({"cells": (cell(clocks_agree=False),)}, "clocks-disagree"),
        ({"cells": (cell(of_other_kind=50),)}, "handshake-counts"),
        ({"cells": (cell(fault="node died"),)}, "cell-failed"),
        ({"cells": (cell(node_cpu_us=Estimate(value=900, low=500, high=1300)),)}, "interval-wide"),
        ({"reuse": (reuse(resumed=100),)}, "reuse-not-predicted"),
        ({"reuse_events": (event(full=3),)}, "reuse-not-predicted"),
        ({"pools": (point(handshakes=80),)}, "law-off"),
        ({"refusals": (refusal(named=False),)}, "refusal-not-named"),
    ],
)
def test_each_fault_has_its_code(changed, code):
    assert codes(lab(**changed)) == [code]


@pytest.mark.parametrize(
    "changed",
    [
        {"cells": (cell(oracle=(oracle(below=True),)),)},
        {"cells": (cell(fault="node died"),)},
        {"refusals": (refusal(named=False),)},
    ],
)
def test_an_error_of_ours_fails_the_lab(changed):
    assert judge(lab_result(lab(**changed))).exit_code == 1


def test_a_misroute_in_the_lab_is_a_wrong_answer():
    verdict = judge(lab_result(lab(misrouted=2)))

    assert verdict.state == "wrong answers"
    assert "2 requests were misrouted" in verdict.sentence


def test_a_mix_without_handshakes_is_right_where_none_are_predicted():
    assert point(handshakes=0, predicted_per_s=0.0).error == 0
    assert point(handshakes=0, predicted_per_s=1.0).error is None


@pytest.mark.parametrize(
    ("handshakes", "grown", "predicted", "error"),
    [(2, 2, 0.0, 0.0), (123, 3, 30.0, 0.0), (96, -4, 30.0, 0.2), (3, 2, 0.0, -1.0), (2, 2, 30.0, None)],
)
def test_connections_by_which_a_pool_grew_replaced_none(handshakes, grown, predicted, error):
    found = point(handshakes=handshakes, grown=grown, predicted_per_s=predicted)

    assert found.error == (error if error is None else pytest.approx(error))


def test_costs_are_one_line_for_each_cell_and_end():
    costs = lab().costs

    assert [(each.part, each.kind) for each in costs] == [("gateway", "full"), ("node", "full")]
    assert costs[0].low < costs[0].cpu_us < costs[0].high


@pytest.mark.parametrize("part", ["cells", "reuse", "pools", "storms", "refusals", "mesh"])
def test_a_lab_of_one_part_says_what_was_measured(part):
    others = {"cells", "reuse", "reuse_events", "pools", "storms", "refusals"} - {part}
    alone = lab(**dict.fromkeys(others, ()), **({} if part == "mesh" else {"mesh": None}))

    assert "nothing was measured" not in judge_lab(alone)[1].lower()


def test_a_storm_that_outlasts_its_run_is_no_return():
    lasting = STORM.model_copy(update={"recovered_s": None})

    assert "p99 back after 1 of 2 storms" in judge_lab(lab(storms=(STORM, lasting)))[1]
