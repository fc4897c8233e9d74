"""Ids made many at a time, and right answers that are recognised without being read."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.engine.request import REQUEST_ID, PreparedKind, RequestIds
from bench.scenario.traffic import Closed
from tests.load.stubs import Stub, always, counts, plan_for, request_id_of, send

RUN = "r%d"
TIMES = st.sampled_from([b"0", b"1", b"7", b"12", b"133"])


@given(
    first=st.integers(0, 10**12),
    step=st.integers(1, 2500),
    number=st.integers(0, 60) | st.just(2100),
)
def test_ids_made_at_once_are_those_made_one_by_one(first, step, number) -> None:
    made = RequestIds(RUN).series(first, step, number)

    assert made == [
        REQUEST_ID.format(run_id=RUN, sequence=first + step * index).encode() for index in range(number)
    ]


def answer(request_id: bytes, *, time: bytes, date: bytes, body: bytes = b"<h1>v1!</h1>") -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ndate: %s\r\ncontent-length: 12\r\nx-node: nginx01\r\nx-bench-id: %s\r\n"
        b"accept-ranges: bytes\r\nx-envoy-upstream-service-time: %s\r\n\r\n%s"
        % (date, request_id, time, body)
    )


def is_recognised_at_sight(kind: PreparedKind, data: bytes, request_id: bytes) -> bool:
    """As the engine does it."""
    rest = kind.rests.get(data[kind.cut])
    return rest is not None and data == kind.good_head + request_id + rest


@given(st.lists(st.tuples(TIMES, st.sampled_from([b"Mon", b"Tue"])), min_size=1, max_size=12))
def test_at_sight_is_recognised_what_was_learned_under_its_head_and_nothing_else(learned) -> None:
    plan = plan_for(1)
    kind = PreparedKind(plan, plan.requests[0])
    for number, (time, date) in enumerate(learned):
        request_id = b"r/%013d" % number
        kind.learn(answer(request_id, time=time, date=date), request_id)

    request_id, other = b"r/%013d" % 99, b"r/%013d" % 98
    known, (_, latest) = set(learned), learned[-1]
    for time in (b"0", b"1", b"7", b"12", b"133", b"9"):
        for date in (b"Mon", b"Tue", b"Wed"):
            data = answer(request_id, time=time, date=date)
            # Another head is a matter of the long way, until one of its answers comes.
            assert not is_recognised_at_sight(kind, data, request_id) or (time, date) in known
            if (time, date) == learned[-1]:
                assert is_recognised_at_sight(kind, data, request_id)
            assert not is_recognised_at_sight(kind, data, other)
            assert not is_recognised_at_sight(kind, data + b"x", request_id)
            wrong = answer(request_id, time=time, date=latest, body=b"<h1>v2!</h1>")
            assert not is_recognised_at_sight(kind, wrong, request_id)


def test_one_wrong_body_among_answers_that_differ_anyway_is_found_in_a_closed_loop() -> None:
    numbers = count()

    def answers(request: bytes) -> bytes:
        number = next(numbers)
        body = b"<h1>v2!</h1>" if number == 300 else b"<h1>v1!</h1>"
        return answer(request_id_of(request), time=b"%d" % (number % 5), date=b"Mon", body=body)

    with Stub(always(answers)) as stub:
        outcome = send(plan_for(stub.port, schedule=Closed(kind="closed"), duration_s=1.0))

    found = counts(outcome)
    assert found.answered > 300
    assert found.failed == 1


def test_a_kind_may_name_a_host_of_its_own() -> None:
    plan = plan_for(1)
    (kind,) = plan.requests

    assert b"\r\nHost: test\r\n" in PreparedKind(plan, kind).head
    assert (
        b"\r\nHost: other.test:8080\r\n"
        in PreparedKind(plan, kind.model_copy(update={"host": "other.test:8080"})).head
    )


def proxied(
    request_id, *, date=b"Mon, 30 Nov 2026 05:00:00 GMT", wait=b"3", node=b"n1", body=b"<p>"
) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nserver: envoy\r\ndate: %b\r\nx-node: %b\r\nx-bench-id: %b\r\n"
        b"x-envoy-upstream-service-time: %b\r\ncontent-length: %d\r\n\r\n%b"
    ) % (date, node, request_id, wait, len(body), body)


def test_an_answer_of_another_second_after_another_wait_is_recognised_without_being_read() -> None:
    plan = plan_for(1)
    kind = PreparedKind(plan, plan.requests[0])
    kind.learn(proxied(b"r/0000000000001"), b"r/0000000000001", "n1")
    other = b"r/0000000000002"

    later = proxied(other, date=b"Mon, 30 Nov 2026 05:00:01 GMT", wait=b"117")

    assert kind.recognises(later, other) == "n1"
    # And the engine by itself from then on.
    assert is_recognised_at_sight(
        kind, proxied(other, date=b"Mon, 30 Nov 2026 05:00:01 GMT", wait=b"117"), other
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"node": b"n2"},
        {"body": b"<q>"},
        {"wait": b"x"},
        {"wait": b""},
        {"wait": b"1\r\nx-node: n2"},
        {"date": b"Mon, 30 Nov 2026 05:00:00 GM"},
        {"date": b"Mon, 30 Nov 2026\r\na: 05:00:00"},
        {"request_id": b"r/0000000000003"},
    ],
)
def test_an_answer_that_differs_in_anything_else_is_not(changes) -> None:
    plan = plan_for(1)
    kind = PreparedKind(plan, plan.requests[0])
    kind.learn(proxied(b"r/0000000000001"), b"r/0000000000001", "n1")

    assert (
        kind.recognises(proxied(**{"request_id": b"r/0000000000002", **changes}), b"r/0000000000002") is None
    )
    assert kind.recognises(proxied(b"r/0000000000002") + b"x", b"r/0000000000002") is None
