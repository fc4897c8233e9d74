"""A request is right if its node was valid at some moment between its beginning and its end."""

import pytest

from bench.experiment.update.judging import GRACE_S, Request, Written, judge_changes, misrouted_before
from bench.experiment.update.wanted import Wanted

OLD, NEW = Wanted({"a": ("one",)}), Wanted({"a": ("two",)})
CLUSTERS = {"v1": "a"}
SECOND = 1_000_000
WRITE = 10 * SECOND
CHANGE = Written("moved", WRITE, WRITE + SECOND // 10, OLD, NEW)


def request(at_s, node, *, takes_s=0.001, failed=False):
    return Request(round(at_s * SECOND), round(takes_s * SECOND), "v1", node, failed)


@pytest.mark.parametrize(
    ("at_s", "node", "takes_s", "wrong"),
    [
        (9.0, "one", 0.001, 0),
        (9.0, "two", 0.001, 1),  # nothing has written it yet
        (9.9, "two", 0.2, 0),  # sent on after the write
        (10.05, "one", 0.001, 0),  # written, not taken
        (10.05, "two", 0.001, 0),
        (10.2, "one", 0.001, 0),  # within the grace of the workers
        (10.1 + GRACE_S + 0.01, "one", 0.001, 1),
        (12.0, "two", 0.001, 0),
        (12.0, "three", 0.001, 1),
        (12.0, None, 0.001, 0),  # it failed: that is counted elsewhere
    ],
)
def test_a_destination_must_have_been_valid(at_s, node, takes_s, wrong):
    found = [request(at_s, node, takes_s=takes_s)]
    [judged] = judge_changes(found, [CHANGE], CLUSTERS)
    assert judged.misrouted + misrouted_before(found, [CHANGE], CLUSTERS) == wrong


def test_times_are_from_the_write_to_the_first_new_and_the_last_old():
    found = [request(at, node) for at, node in ((9.9, "one"), (10.02, "one"), (10.04, "two"), (10.06, "one"))]
    [judged] = judge_changes(found, [CHANGE], CLUSTERS)
    assert judged.first_new_s == pytest.approx(0.04)
    assert judged.last_old_s == pytest.approx(0.06)
    assert (judged.requests, judged.failed) == (3, 0)


def test_the_old_is_right_as_long_as_it_can_serve_and_the_bulge_is_looked_for_as_long():
    restarted = Written("moved", WRITE, WRITE + 3 * SECOND, OLD, NEW)
    found = [request(at, "one") for at in (9.9, 12.9, 13.3)]
    [judged] = judge_changes(found, [restarted], CLUSTERS)
    assert judged.misrouted == 1
    late = [request(10 + each / 100, "two", takes_s=0.001 if each < 150 else 0.5) for each in range(300)]
    [judged] = judge_changes(late, [restarted], CLUSTERS)
    assert judged.p99_after_us == 500_000
    [judged] = judge_changes(late, [CHANGE], CLUSTERS)
    assert judged.p99_after_us == 1_000


def test_what_takes_nothing_away_has_no_last_request_on_the_old():
    added = Written("added", WRITE, WRITE, OLD, Wanted({"a": ("one", "two")}))
    [judged] = judge_changes([request(10.5, "one")], [added], CLUSTERS)
    assert (judged.first_new_s, judged.last_old_s) == (None, None)


def test_a_change_that_nothing_took_leaves_both_valid_until_the_next():
    refused = Written("refused", WRITE, None, OLD, OLD)
    later = Written("moved", 20 * SECOND, 20 * SECOND, OLD, NEW)
    found = [request(15, "one"), request(25, "one"), request(26, "two")]
    judged = judge_changes(found, [refused, later], CLUSTERS)
    assert [each.misrouted for each in judged] == [0, 1]


def test_each_change_has_the_requests_until_the_next_one_and_its_failures():
    later = Written("back", 11 * SECOND, 11 * SECOND, NEW, OLD)
    found = [request(10.5, "two"), request(10.6, "two", failed=True), request(11.5, "one")]
    judged = judge_changes(found, [CHANGE, later], CLUSTERS)
    assert [(each.requests, each.failed) for each in judged] == [(2, 1), (1, 0)]


def test_a_percentile_needs_a_hundred_requests():
    found = [request(9.0 + n / 1000, "one", takes_s=n / 1000) for n in range(100)]
    [judged] = judge_changes([*found, request(10.5, "two")], [CHANGE], CLUSTERS)
    assert (judged.p99_before_us, judged.p99_after_us) == (99_000, None)
