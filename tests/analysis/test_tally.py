"""Tallies add up without losing a request."""

from dataclasses import replace

from bench.analysis.latency import new_histogram
from bench.analysis.tally import Tally, combine


def blob(*values) -> str:
    histogram = new_histogram()
    for value in values:
        histogram.record_value(value)
    return histogram.encode().decode()


A = Tally("v1", 10, 9, 7, 1, 1, 1, blob(100, 200), blob(90), blob(1), {"status 503": 1, "wrong node": 1})
B = Tally("v1", 5, 5, 4, 0, 1, 0, blob(300), blob(80), blob(2), {"status 503": 1})


def test_counts_reasons_and_histograms_are_summed():
    whole = combine("all", [A, B])

    assert (whole.name, whole.due, whole.sent, whole.answered) == ("all", 15, 14, 11)
    assert (whole.unsent, whole.failed, whole.misrouted) == (1, 2, 1)
    assert whole.reasons == {"status 503": 2, "wrong node": 1}
    assert (whole.response_time.samples, whole.response_time.maximum) == (3, 300)
    assert whole.service_time.samples == 2


def test_a_request_with_two_ends_or_none_is_noticed():
    assert A.is_balanced()
    assert not replace(A, answered=8).is_balanced()
    assert not replace(A, unsent=0).is_balanced()


def test_nothing_adds_up_to_nothing():
    assert combine("all", []).response_time.samples == 0
