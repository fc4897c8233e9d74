import pytest

from bench.result import UNANSWERED, Reason, ReasonCode


@pytest.mark.parametrize("code", ReasonCode)
@pytest.mark.parametrize("detail", ["", "503", "a:b", "{}", "x y"])
def test_a_reason_survives_the_way_between_processes(code, detail):
    assert Reason.of(Reason(code, detail).key) == Reason(code, detail)


@pytest.mark.parametrize("code", ReasonCode)
def test_every_code_has_words_with_its_detail_in_them(code):
    words = Reason(code, "{odd} detail").text
    assert words
    assert "{}" not in words


def test_an_answer_that_had_begun_is_not_a_connection_that_ended_before_it():
    assert ReasonCode.ANSWER_CUT not in UNANSWERED
    assert ReasonCode.TIMEOUT not in UNANSWERED
