"""Ids made many at a time, and right answers that are recognised without being read."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from bench.load.engine.request import IDENT, Idents, PreparedKind
from bench.scenario.traffic import Closed
from tests.load.stubs import Stub, always, counts, ident_of, plan_for, send

RUN = "r%d"
TIMES = st.sampled_from([b"0", b"1", b"7", b"12", b"133"])


@given(
    first=st.integers(0, 10**12),
    step=st.integers(1, 2500),
    number=st.integers(0, 60) | st.just(2100),
)
def test_ids_made_at_once_are_those_made_one_by_one(first, step, number) -> None:
    made = Idents(RUN).series(first, step, number)

    assert made == [
        IDENT.format(run_id=RUN, sequence=first + step * index).encode() for index in range(number)
    ]


def answer(ident: bytes, *, time: bytes, date: bytes, body: bytes = b"<h1>v1!</h1>") -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ndate: %s\r\ncontent-length: 12\r\nx-node: nginx01\r\nx-bench-id: %s\r\n"
        b"accept-ranges: bytes\r\nx-envoy-upstream-service-time: %s\r\n\r\n%s" % (date, ident, time, body)
    )


def is_recognised_at_sight(kind: PreparedKind, data: bytes, ident: bytes) -> bool:
    """As the engine does it."""
    rest = kind.rests.get(data[kind.cut])
    return rest is not None and data == kind.good_head + ident + rest


@given(st.lists(st.tuples(TIMES, st.sampled_from([b"Mon", b"Tue"])), min_size=1, max_size=12))
def test_at_sight_is_recognised_what_was_learned_under_its_head_and_nothing_else(learned) -> None:
    plan = plan_for(1)
    kind = PreparedKind(plan, plan.requests[0])
    for number, (time, date) in enumerate(learned):
        ident = b"r/%013d" % number
        kind.learn(answer(ident, time=time, date=date), ident)

    ident, other = b"r/%013d" % 99, b"r/%013d" % 98
    known, (_, latest) = set(learned), learned[-1]
    for time in (b"0", b"1", b"7", b"12", b"133", b"9"):
        for date in (b"Mon", b"Tue", b"Wed"):
            data = answer(ident, time=time, date=date)
            # Another head is a matter of the long way, until one of its answers comes.
            assert not is_recognised_at_sight(kind, data, ident) or (time, date) in known
            if (time, date) == learned[-1]:
                assert is_recognised_at_sight(kind, data, ident)
            assert not is_recognised_at_sight(kind, data, other)
            assert not is_recognised_at_sight(kind, data + b"x", ident)
            wrong = answer(ident, time=time, date=latest, body=b"<h1>v2!</h1>")
            assert not is_recognised_at_sight(kind, wrong, ident)


def test_one_wrong_body_among_answers_that_differ_anyway_is_found_in_a_closed_loop() -> None:
    numbers = count()

    def answers(request: bytes) -> bytes:
        number = next(numbers)
        body = b"<h1>v2!</h1>" if number == 300 else b"<h1>v1!</h1>"
        return answer(ident_of(request), time=b"%d" % (number % 5), date=b"Mon", body=body)

    with Stub(always(answers)) as stub:
        outcome = send(plan_for(stub.port, schedule=Closed(kind="closed"), duration_s=1.0))

    found = counts(outcome)
    assert found.answered > 300
    assert found.failed == 1
