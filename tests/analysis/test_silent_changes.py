"""What changes silently is reported: retries that hide failures, connections that are not kept."""

import pytest

from bench.analysis.limits import check_limits
from bench.analysis.silent_changes import connections_per_1000, judge_connections, judge_retries, retried
from bench.result import Book, Cause, LedgerBook, LedgerResult
from tests.support.results import subset_result, trial_result


def total(sent=1_000):
    return subset_result(requests=sent)


def book(kind, retries=0, state="balanced"):
    return LedgerBook(
        level="counters",
        book=kind,
        left=1_000,
        right=1_000 + retries,
        named={Cause.RETRY: -retries} if retries else {},
        unexplained=0,
        state=state,
    )


def a_trial(*, sidecar=0, gateway=0, opened=0, state="balanced", ledger=True):
    books = (book(Book.SIDECAR_ROUTING, sidecar), book(Book.GATEWAY_ROUTING, gateway, state))
    return trial_result(
        requests=1_000,
        new_upstream_connections=opened,
        handshakes=opened,
        ledger=LedgerResult(level="counters", books=books, requests=1_200) if ledger else None,
    )


def test_retries_of_both_proxies_are_counted_and_their_rate_is_reported():
    trials = [a_trial(sidecar=2, gateway=10), a_trial()]

    assert retried(trials) == 12
    (warning,) = judge_retries(trials)
    assert warning.code == "retries-hid-failures"
    assert "12 attempts were made again in 1,200 requests (1.00%)" in warning.message


@pytest.mark.parametrize("trial", [a_trial(ledger=False), a_trial(state="incomplete")])
def test_without_a_closed_account_retries_are_unknown_and_a_limit_for_them_is_not_proven(trial):
    assert retried([a_trial(), trial]) is None
    (check,) = check_limits({"retried": 5}, total(), retried=None)
    assert (check.passed, check.is_proven) == (False, False)


@pytest.mark.parametrize(("count", "passed"), [(0, True), (5, True), (6, False)])
def test_a_limit_for_retries_is_met_up_to_its_bound(count, passed):
    (check,) = check_limits({"retried": 5}, total(), retried=count)

    assert (check.passed, check.measured) == (passed, str(count))


@pytest.mark.parametrize(
    ("opened", "limit", "is_reported"),
    [
        (0, None, False),
        (8, None, False),
        (1_000, None, True),
        (11, None, True),
        (1_000, 1, False),
        (100, 10, False),
        (400, 10, True),
    ],
)
def test_connections_that_are_not_kept_are_reported_against_what_the_resources_allow(
    opened, limit, is_reported
):
    found = judge_connections([a_trial(opened=opened)], requests_per_connection=limit)

    assert bool(found) is is_reported
    assert connections_per_1000(a_trial(opened=opened)) == opened


def test_where_nothing_counted_connections_nothing_is_said():
    assert judge_connections([a_trial().model_copy(update={"new_upstream_connections": None})]) == ()
