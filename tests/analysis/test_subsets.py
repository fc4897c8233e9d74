"""Outcomes of subsets add up without losing a request."""

from bench.analysis.subsets import add_up, combine
from tests.support.histograms import an_outcome

A = an_outcome(
    due=10,
    sent=9,
    answered=7,
    unsent=1,
    failed=1,
    misrouted=1,
    response=(100, 200),
    service=(90,),
    lag=(1,),
    reasons={"status:503": 1, "wrong-node:n2": 1},
)
B = an_outcome(answered=4, failed=1, response=(300,), service=(80,), lag=(2,), reasons={"status:503": 1})


def test_counts_reasons_and_histograms_are_summed():
    whole = combine("all", [A, B])

    assert (whole.name, whole.due, whole.sent, whole.answered) == ("all", 15, 14, 11)
    assert (whole.unsent, whole.failed, whole.misrouted, whole.bad) == (1, 2, 1, 4)
    assert whole.reasons == {"status:503": 2, "wrong-node:n2": 1}
    assert (whole.response_time.samples, whole.response_time.maximum) == (3, 300)
    assert whole.service_time.samples == 2
    assert combine("all", [add_up("v1", [A, B])]) == whole


def test_a_request_with_two_ends_or_none_is_noticed():
    assert A.counts.is_balanced
    assert not A.counts.model_copy(update={"answered": 8}).is_balanced
    assert not A.counts.model_copy(update={"unsent": 0}).is_balanced


def test_nothing_adds_up_to_nothing():
    assert combine("all", []).response_time.samples == 0
