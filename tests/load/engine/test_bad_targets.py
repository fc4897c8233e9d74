"""Whatever a target does, each request has one counted ending, and no run hangs."""

from __future__ import annotations

import hashlib
import socket
import time

import pytest

from bench.analysis.histogram import Histogram
from bench.errors import LoadError
from bench.load import Expectation
from bench.result.reasons import Reason, ReasonCode
from bench.scenario.traffic import Closed, Connections
from tests.load.stubs import (
    Stub,
    always,
    counts,
    ended,
    good,
    plan_for,
    read_request,
    request_id_of,
    reset,
    send,
    texts,
)


def test_right_answers_are_answered_and_nothing_else() -> None:
    with Stub(always(good)) as stub:
        outcome = send(plan_for(stub.port, require_id=True))

    assert (counts(outcome).due, counts(outcome).answered, counts(outcome).unsent) == (60, 60, 0)
    assert 4 == outcome.generator.connects == stub.accepted


def test_a_refused_connection_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(LoadError, match=rf"cannot connect to 127.0.0.1:{port}: connection refused"):
        send(plan_for(port))


def test_an_unreachable_target_is_one_clear_error() -> None:
    """A listener whose backlog is full drops what comes: connecting never ends."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        time.sleep(0.1)
        try:
            with pytest.raises(LoadError, match="connect timeout"):
                send(
                    plan_for(
                        address[1], connections=Connections(count=2, connect_timeout_s=0.3, read_timeout_s=1)
                    )
                )
        finally:
            for filler in fillers:
                filler.close()


def test_a_name_that_does_not_resolve_is_one_clear_error() -> None:
    with pytest.raises(LoadError, match="does not resolve"):
        send(plan_for(80, address="no-such-host.invalid"))


def test_a_target_that_goes_away_leaves_unsent_requests() -> None:
    with Stub(always(good)) as stub:

        def serve(conn, number) -> None:
            conn.sendall(good(read_request(conn)))
            stub.__exit__()

        stub._serve = serve
        outcome = send(plan_for(stub.port, rate=100, duration_s=0.5))

    result = counts(outcome)
    assert result.due == 50
    assert result.answered >= 1
    assert "connection refused" in texts(result)


def test_a_reset_in_the_middle_of_an_answer_is_a_failure_with_its_example() -> None:
    def serve(conn, number) -> None:
        request = read_request(conn)
        conn.sendall(good(request)[:-5])
        time.sleep(0.02)
        reset(conn)

    with Stub(serve) as stub:
        outcome = send(plan_for(stub.port, rate=50))

    result = counts(outcome)
    assert result.due == result.failed == 15
    assert texts(result) == {"connection reset in the middle of the answer": 15}
    example = outcome.examples[0]
    assert example.request.startswith("GET / HTTP/1.1\r\nHost: test\r\n")
    assert example.response.startswith("HTTP/1.1 200 OK")


def test_a_connection_closed_before_the_answer_is_a_failure() -> None:
    with Stub(lambda conn, number: read_request(conn)) as stub:
        outcome = send(plan_for(stub.port, rate=50))

    assert texts(counts(outcome)) == {"connection closed before the answer": 15}
    assert ended(outcome) == {ReasonCode.CLOSED: list(range(15))}


def test_a_reset_before_the_answer_is_distinguished_from_one_within_it() -> None:
    """Only of the former may the request never have reached anybody."""

    def serve(conn, number) -> None:
        read_request(conn)
        if number > 1:
            conn.sendall(b"HTTP/1.1 200 OK\r\n")
            time.sleep(0.02)
        reset(conn)

    with Stub(serve) as stub:
        outcome = send(plan_for(stub.port, rate=50, connections=Connections(count=1, read_timeout_s=2)))

    assert texts(counts(outcome)) == {
        "connection reset before the answer": 1,
        "connection reset in the middle of the answer": 14,
    }
    assert ended(outcome) == {ReasonCode.RESET: [0], ReasonCode.ANSWER_CUT: list(range(1, 15))}


def test_a_close_in_the_middle_of_an_answer_counts_like_a_reset() -> None:
    def serve(conn, number) -> None:
        conn.sendall(good(read_request(conn))[:-5])

    with Stub(serve) as stub:
        outcome = send(plan_for(stub.port, rate=50))

    assert texts(counts(outcome)) == {"connection closed in the middle of the answer": 15}
    assert ended(outcome) == {ReasonCode.ANSWER_CUT: list(range(15))}


@pytest.mark.parametrize(
    "nonsense",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/9 banana\r\n\r\n", b"\r\n\r\n"],
)
def test_what_is_not_http_is_a_failure_at_once(nonsense) -> None:
    with Stub(always(lambda request: nonsense)) as stub:
        outcome = send(plan_for(stub.port, rate=50))

    assert counts(outcome).failed == 15
    assert all("HTTP" in reason for reason in texts(counts(outcome)))


def test_an_answer_without_end_times_out() -> None:
    def serve(conn, number) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            conn.sendall(b"1\r\nx\r\n")
            time.sleep(0.005)

    with Stub(serve) as stub:
        outcome = send(plan_for(stub.port, rate=20, connections=Connections(count=8, read_timeout_s=0.4)))

    result = counts(outcome)
    assert texts(result) == {"connection stalled in the middle of the answer": 6}
    assert ended(outcome) == {ReasonCode.ANSWER_CUT: [0, 1, 2, 3, 4, 5]}


def test_silence_times_out_and_later_requests_keep_their_due_time() -> None:
    answered = []

    def serve(conn, number) -> None:
        if number == 1:
            read_request(conn)
            time.sleep(2)
            return
        while True:
            conn.sendall(good(read_request(conn)))
            answered.append(number)

    with Stub(serve) as stub:
        settings = Connections(count=1, read_timeout_s=0.5)
        outcome = send(plan_for(stub.port, rate=50, connections=settings))

    result = counts(outcome)
    assert (result.due, result.answered, texts(result)) == (15, 14, {"timeout": 1})
    # The second request was due 20 ms after the start and could be sent 500 ms later.
    slowest = max(second.response_time_max or 0 for second in outcome.seconds)
    assert slowest > 450_000


def test_a_body_of_200_mb_is_read_in_constant_memory() -> None:
    size = 200_000_000
    block = b"x" * 1_000_000

    def serve(conn, number) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nX-Node: nginx01\r\nContent-Length: %d\r\n\r\nv1!" % (size + 3))
        for _ in range(size // len(block)):
            conn.sendall(block)
        time.sleep(0.5)

    with Stub(serve) as stub:
        settings = Connections(count=1, read_timeout_s=120)
        result = counts(send(plan_for(stub.port, rate=5, duration_s=0.2, connections=settings)))

    assert (result.due, result.answered) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "reason", "ending"),
    [
        (lambda r: good(r, node=b"nginx02"), "answered by nginx02", "misrouted"),
        (lambda r: good(r).replace(b"200 OK", b"503 No"), "status 503", "failed"),
        (lambda r: good(r, body=b"nothing"), "wrong body", "failed"),
        (lambda r: good(r).replace(b"X-Node", b"X-Nope"), "no x-node in the answer", "failed"),
        (
            lambda r: good(r).replace(request_id_of(r), b"r/0000000009999"),
            "answer to another request",
            "failed",
        ),
        (lambda r: good(r).replace(b"x-bench-id", b"x-other"), "no x-bench-id in the answer", "failed"),
        (lambda r: good(r) + b"more", "bytes after the answer", "failed"),
    ],
)
def test_each_wrong_answer_is_named(answer, reason, ending) -> None:
    with Stub(always(answer)) as stub:
        outcome = send(plan_for(stub.port, rate=50, require_id=True))

    result = counts(outcome)
    assert ({reason: 15}, 15) == (texts(result), getattr(result, ending))
    assert [reason] == [Reason.of(example.reason).text for example in outcome.examples]


def test_one_wrong_answer_among_many_right_ones_is_found() -> None:
    """The shortcut for answers seen before must not swallow one that differs."""
    seen = []

    def answer(request: bytes) -> bytes:
        seen.append(1)
        if len(seen) == 150:
            return good(request, body=b"<h1>v2!</h1>")
        if len(seen) == 170:
            return good(request, node=b"nginx02")
        if len(seen) == 190:
            return good(request).replace(request_id_of(request), b"r/0000000000000")
        return good(request)

    with Stub(always(answer)) as stub:
        result = counts(send(plan_for(stub.port, rate=1000)))

    assert result.due == 300
    assert texts(result) == {"wrong body": 1, "answered by nginx02": 1, "answer to another request": 1}


@pytest.mark.parametrize(
    "shape", ["byte by byte", "chunked", "until close", "interim", "no content", "HTTP/1.0"]
)
def test_every_shape_of_a_right_answer_is_right(shape) -> None:  # noqa: C901 - one branch for each shape
    body = b"<h1>v1!</h1>"
    head = b"HTTP/1.1 200 OK\r\nX-NODE: nginx01\r\n"

    def serve(conn, number) -> None:
        while True:
            request = read_request(conn)
            if shape == "byte by byte":
                whole = good(request)
                for i in range(len(whole)):
                    conn.sendall(whole[i : i + 1])
            elif shape == "chunked":
                conn.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5])
                conn.sendall(b"\r\n%x\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\n\r\n")
            elif shape == "until close":
                conn.sendall(head + b"\r\n" + body)
                return
            elif shape == "interim":
                conn.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + good(request))
            elif shape == "no content":
                conn.sendall(b"HTTP/1.1 204 No Content\r\nX-Node: nginx01\r\n\r\n")
            else:
                conn.sendall(good(request).replace(b"HTTP/1.1", b"HTTP/1.0"))
                return

    expect = Expectation(nodes=("nginx01",), body_contains="v1!")
    if shape == "no content":
        expect = Expectation(nodes=("nginx01",), status=204)
    with Stub(serve) as stub:
        outcome = send(plan_for(stub.port, rate=50, expect=expect))

    assert counts(outcome).answered == 15, counts(outcome)
    if shape in ("until close", "HTTP/1.0"):
        assert outcome.generator.reconnects == outcome.generator.connects - 4 > 0


def test_a_server_that_closes_idle_connections_costs_a_reconnect_and_no_request() -> None:
    def serve(conn, number) -> None:
        conn.sendall(good(read_request(conn)))

    with Stub(serve) as stub:
        settings = Connections(count=10, read_timeout_s=5)
        outcome = send(plan_for(stub.port, rate=20, duration_s=1.0, connections=settings))

    # Each connection rests for half a second before its second request, and is closed by then. Only a request
    # that is late, on a busy machine, follows an answer at once: nothing can know of the close then.
    found = counts(outcome)
    late = found.reasons.get("closed-before-answer", 0)
    assert found.answered + late == 20
    assert outcome.generator.reconnects >= 10 - late
    assert late == 0 or Histogram.decode(outcome.stages[0].subsets[0].lag).maximum > 1_000


@pytest.mark.parametrize(
    ("settings", "opened"),
    [
        (Connections(count=4, requests_per_connection=5), range(12, 17)),
        (Connections(count=4, keep_alive=False), range(60, 62)),
        (Connections(count=4, requests_per_connection=1), range(60, 62)),
        (Connections(count=4), range(4, 5)),
    ],
)
def test_connections_are_kept_as_long_as_asked(settings, opened) -> None:
    with Stub(always(good)) as stub:
        outcome = send(plan_for(stub.port, connections=settings))

    assert counts(outcome).answered == 60
    assert stub.accepted in opened
    assert outcome.generator.connects == stub.accepted


def test_an_idle_connection_is_closed_after_the_idle_timeout() -> None:
    with Stub(always(good)) as stub:
        settings = Connections(count=1, idle_timeout_s=0.1)
        outcome = send(plan_for(stub.port, rate=2.5, duration_s=1.0, connections=settings))

    assert counts(outcome).answered == 3
    assert stub.accepted >= 3


def test_waiting_for_a_connection_is_distinguished_from_the_engines_own_lateness() -> None:
    """Two connections, 40 ms for each answer: 50/s can be served, 100/s are due."""

    def answer(request: bytes) -> bytes:
        time.sleep(0.04)
        return good(request)

    with Stub(always(answer)) as stub:
        settings = Connections(count=2, read_timeout_s=5)
        outcome = send(plan_for(stub.port, rate=100, duration_s=1.0, connections=settings))

    stage = outcome.stages[0]
    lag = Histogram.decode(stage.subsets[0].lag)
    waited, own = Histogram.decode(stage.waited or ""), Histogram.decode(stage.own_lag or "")
    assert lag.total == waited.total == own.total == 100
    # The last but one waits for half of the time that all take.
    assert waited.percentile(90) > 600_000
    assert own.percentile(90) < waited.percentile(90) / 5
    assert lag.mean == pytest.approx(waited.mean + own.mean, rel=0.01)
    generator = outcome.generator
    assert generator.connections == 2
    assert generator.mean_in_flight == pytest.approx(2, abs=0.2)
    assert generator.mean_queued > 10


@pytest.mark.parametrize("keep_alive", [True, False])
def test_with_a_free_connection_nothing_waits_for_one(keep_alive: bool) -> None:
    with Stub(always(good)) as stub:
        # As many as there are requests: however late the machine is, there is one for each.
        settings = Connections(count=50, keep_alive=keep_alive, read_timeout_s=5)
        outcome = send(plan_for(stub.port, rate=50, duration_s=1.0, connections=settings))

    assert counts(outcome).answered == 50
    waited = Histogram.decode(outcome.stages[0].waited or "")
    assert waited.percentile(100) == 0
    assert outcome.generator.mean_queued == 0


def test_what_does_not_fit_into_the_queue_is_unsent() -> None:
    def serve(conn, number) -> None:
        while True:
            request = read_request(conn)
            time.sleep(0.1)
            conn.sendall(good(request))

    with Stub(serve) as stub:
        settings = Connections(count=1, queue_limit=2, read_timeout_s=2)
        outcome = send(plan_for(stub.port, rate=100, connections=settings))

    result = counts(outcome)
    unsent = ended(outcome)[ReasonCode.QUEUE_FULL]
    assert len(set(unsent)) == len(unsent) == result.unsent
    assert result.due == 30
    assert {"queue full": result.unsent} == texts(result)
    # The server answers ten in a second, and fewer where it is kept waiting.
    assert 1 <= result.answered <= 7


def test_a_long_queue_is_given_up_after_the_drain_time() -> None:
    def serve(conn, number) -> None:
        while True:
            request = read_request(conn)
            time.sleep(0.1)
            conn.sendall(good(request))

    with Stub(serve) as stub:
        settings = Connections(count=1, read_timeout_s=2)
        result = counts(send(plan_for(stub.port, rate=100, connections=settings, drain_s=0.2)))

    assert result.due == 30 == result.answered + result.unsent
    # The server answers ten in a second, and fewer where it is kept waiting.
    assert 1 <= result.answered <= 7


def test_a_large_request_body_is_sent_whole() -> None:
    body = "b" * 3_000_000
    sizes = []

    def serve(conn, number) -> None:
        while True:
            request = read_request(conn)
            head, _, rest = request.partition(b"\r\n\r\n")
            size = len(rest)
            while size < len(body):
                size += len(conn.recv(1 << 20))
            sizes.append(size)
            conn.sendall(good(head + b"\r\n"))

    with Stub(serve) as stub:
        result = counts(send(plan_for(stub.port, rate=10, method="POST", body=body)))

    assert result.answered == 3
    assert [len(body)] * 3 == sizes


def test_a_closed_loop_sends_when_an_answer_has_come() -> None:
    def answer(request: bytes) -> bytes:
        time.sleep(0.01)
        return good(request)

    with Stub(always(answer)) as stub:
        outcome = send(plan_for(stub.port, schedule=Closed(kind="closed"), duration_s=0.5))

    result = counts(outcome)
    assert not outcome.stages[0].open_loop
    assert result.due == result.answered == outcome.stages[0].intended
    # Four at a time, each for at least 10 ms.
    assert 4 < result.answered <= 220
    assert 0 < outcome.generator.mean_in_flight <= 4.0


def test_a_closed_loop_against_a_dead_target_does_not_storm() -> None:
    with Stub(lambda conn, number: None) as stub:

        def serve(conn, number) -> None:
            read_request(conn)
            stub.__exit__()

        stub._serve = serve
        result = counts(send(plan_for(stub.port, schedule=Closed(kind="closed"), duration_s=0.5)))

    assert "connection refused" in texts(result)
    assert result.due < 100


def test_more_connections_than_open_files_names_the_limit_and_the_remedy() -> None:
    with Stub(always(good)) as stub, pytest.raises(LoadError, match=r"may have 300.*ulimit -n 628"):
        send(plan_for(stub.port, connections=Connections(count=500)), files=300)


@pytest.mark.parametrize("kind", ["constant", "closed"])
def test_without_epoll_and_timerfd_the_same_is_done_a_little_later(kind) -> None:
    schedule = Closed(kind="closed") if kind == "closed" else None
    with Stub(always(good)) as stub:
        outcome = send(plan_for(stub.port, schedule=schedule, require_id=True), portable=True)

    result = counts(outcome)
    assert result.due == result.answered
    assert result.due == 60 if kind == "constant" else result.due > 60


def test_without_epoll_large_requests_and_broken_connections_are_handled_too() -> None:
    body = "b" * 3_000_000

    seen = []

    def serve(conn, number) -> None:
        request = read_request(conn)
        seen.append(number)
        if len(seen) == 1:
            reset(conn)
            return
        head, _, rest = request.partition(b"\r\n\r\n")
        size = len(rest)
        while size < len(body):
            size += len(conn.recv(1 << 20))
        conn.sendall(good(head + b"\r\n"))

    with Stub(serve) as stub:
        plan = plan_for(stub.port, rate=10, method="POST", body=body)
        result = counts(send(plan, portable=True))

    assert (result.due, result.answered, result.failed) == (3, 2, 1)


@pytest.mark.parametrize("portable", [False, True])
def test_right_answers_are_counted_by_the_node_that_gave_them(portable) -> None:
    """By the sequence number, so that it is known how many each gave, however they are recognised."""

    def answer(request: bytes) -> bytes:
        number = int(request_id_of(request)[-4:])
        return good(request, node=b"nginx01" if number % 5 else b"nginx02")

    with Stub(always(answer)) as stub:
        outcome = send(
            plan_for(stub.port, expect=Expectation(nodes=("nginx01", "nginx02"))), portable=portable
        )

    assert counts(outcome).answered_by == {"nginx01": 48, "nginx02": 12}


def test_one_nodes_answers_need_no_count_of_their_own() -> None:
    with Stub(always(good)) as stub:
        outcome = send(plan_for(stub.port, expect=Expectation(nodes=("nginx01",))))

    assert (counts(outcome).answered, counts(outcome).answered_by) == (60, {})


def _with_headers(extra: bytes):
    return always(lambda request: good(request).replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n\r\n", 1))


def test_an_answer_that_names_two_nodes_is_not_a_right_answer() -> None:
    with Stub(_with_headers(b"X-Node: nginx01")) as stub:
        outcome = send(plan_for(stub.port))

    assert texts(counts(outcome)) == {"more than one x-node in the answer": 60}


def test_an_answer_with_transfer_encoding_and_content_length_is_named_so() -> None:
    with Stub(_with_headers(b"Transfer-Encoding: chunked")) as stub:
        outcome = send(plan_for(stub.port))

    assert texts(counts(outcome)) == {"Transfer-Encoding with Content-Length": 60}


def test_a_body_that_only_contains_the_marker_is_wrong_where_the_whole_is_known() -> None:
    page = b"<h1>v1!</h1>"
    expect = Expectation(
        nodes=("nginx01",), body_contains="v1!", body_sha256={"nginx01": hashlib.sha256(page).hexdigest()}
    )

    def answer(request: bytes) -> bytes:
        is_odd = int(request_id_of(request)[-4:]) % 3 == 0
        return good(request, body=page + b"<!-- injected -->" if is_odd else page)

    with Stub(always(answer)) as stub:
        outcome = send(plan_for(stub.port, expect=expect))

    assert (counts(outcome).answered, texts(counts(outcome))) == (40, {"wrong body": 20})


def test_large_bodies_are_checked_to_the_last_byte() -> None:
    """Their middle goes a shorter way; a wrong byte there is found all the same."""
    right = b"v1!" + bytes(range(256)) * 4000
    expect = Expectation(nodes=("nginx01",), body_sha256={"nginx01": hashlib.sha256(right).hexdigest()})
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        wrong = right[:500_000] + b"?" + right[500_001:]
        return good(request, body=wrong if len(asked) % 3 == 0 else right)

    with Stub(always(answer)) as stub:
        result = counts(send(plan_for(stub.port, rate=30, expect=expect)))

    assert (result.due, result.answered, texts(result)) == (9, 6, {"wrong body": 3})
