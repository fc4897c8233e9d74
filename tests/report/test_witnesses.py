"""What is behind a verdict: every stage, the machine, and why calls went wrong."""

import pytest

from bench.report.build import build_document
from bench.report.document import Facts
from bench.report.html import render_html
from bench.result import AnswerCause, Counts, MachineUse, StageCounts, VerificationLine, read_result
from tests.report.synthetic import make_run

RIGHT = Counts(due=10, sent=10, answered=10, unsent=0, failed=0, misrouted=0)
ONE_WRONG_BODY = RIGHT.model_copy(update={"answered": 9, "failed": 1, "reasons": {"wrong-body": 1}})
BUSY = MachineUse(ours_share=0.3, others_share=0.6, idle_share=0.1, steal_share=0.0, waiting_share=0.5)
QUIET = MachineUse(ours_share=0.3, others_share=0.01, idle_share=0.69, steal_share=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


def document(folder, **changes):
    return build_document(folder, read_result(folder).model_copy(update=changes))


def with_stages(folder, warm_up):
    stages = (
        StageCounts(name="warm-up", kind="warm_up", subsets={"v1": warm_up}),
        StageCounts(name="measure", kind="measure", subsets={"v1": RIGHT}),
    )
    return tuple(trial.model_copy(update={"stages": stages}) for trial in read_result(folder).trials)


def section(found, anchor):
    return next(each for each in found.sections if each.anchor == anchor)


def rows(found, anchor, column):
    tables = [part for part in section(found, anchor).parts if column in getattr(part, "columns", ())]
    return [dict(zip(table.columns, row, strict=True)) for table in tables for row in table.rows]


def test_a_wrong_body_in_a_warm_up_is_in_the_table_of_stages_and_takes_the_green_from_the_answer(folder):
    wrong = document(folder, trials=with_stages(folder, ONE_WRONG_BODY))
    right = document(folder, trials=with_stages(folder, RIGHT))

    reported = [row for row in rows(wrong, "correctness", "wrong body") if row["stage"] == "warm-up"]
    assert {(row["right"], row["wrong body"], row["failed otherwise"]) for row in reported} == {
        ("9", "1", "0")
    }
    assert wrong.answers[0].mark == "bad"
    assert f"0 misrouted, {len(read_result(folder).trials)} of a wrong body" in wrong.answers[0].text
    assert right.answers[0].mark == "good"
    assert "With warm-ups" not in right.answers[0].text


def test_whose_the_machine_was_is_beside_each_trial(folder):
    first, *others = read_result(folder).trials
    trials = (
        first.model_copy(update={"machine": BUSY}),
        *(each.model_copy(update={"machine": QUIET}) for each in others),
    )

    found = rows(document(folder, trials=trials), "machine", "others")

    assert (found[0]["others"], found[0]["disturbed"]) == ("60\N{NO-BREAK SPACE}%", "yes")
    assert {row["disturbed"] for row in found[1:]} == {"no"}


def test_why_a_call_went_wrong_is_reported_once_for_all_stacks(folder):
    failure = "TLS_error:CERTIFICATE_VERIFY_FAILED"
    cause = AnswerCause(
        hop="egress",
        flags="UF",
        details=f"upstream_reset_before_response_started{{remote_connection_failure|{failure}}}",
        transport_failure=failure,
        upstream="127.0.0.1:4443",
        where=("istio/rule.yaml:7 (tls: DestinationRule default/r)",),
        fault="stack",
        explanation="answered by 192.168.0.63:443",
    )
    lines = tuple(
        VerificationLine(
            stack=stack,
            name="v1 from sleep",
            sent="",
            expected="200 from nginx01",
            got="503 from a proxy",
            node=None,
            passed=False,
            cause=cause,
        )
        for stack in ("static", "eds")
    )

    made = document(folder, verification=lines)

    (facts,) = [part for part in section(made, "verification").parts if isinstance(part, Facts)]
    reported = dict(facts.pairs)
    assert facts.caption == "v1 from sleep (static, eds)"
    assert (reported["answered by"], reported["TLS failure"]) == ("egress", failure)
    assert "istio/rule.yaml:7" in reported["YAML behind it"]
    assert render_html(made).count(failure) == 1
