"""What answers hardly show is named: retries, connections that end, reloads, a few slow requests."""

from dataclasses import replace

import pytest

from bench.experiment.faults.diagnosis import Cause, diagnose
from tests.experiment.evidence import clean, gateway_line, node_line

ENDED_UNDER_IT = {
    "status": 503,
    "flags": "UC",
    "details": "upstream_reset_before_response_started{connection_termination}",
}


def causes(evidence):
    return [finding.cause for finding in diagnose(evidence)]


def with_gateway(evidence, **changed):
    """*changed*: request id -> what its line at the gateway has instead."""
    return replace(
        evidence,
        gateway=tuple(
            entry._replace(**changed[entry.id]) if entry.id in changed else entry
            for entry in evidence.gateway
        ),
    )


def with_node(evidence, node, change):
    return replace(
        evidence, nodes={**evidence.nodes, node: tuple(change(entry) for entry in evidence.nodes[node])}
    )


def test_failures_that_retries_hide_are_named_though_every_answer_is_right():
    evidence = with_gateway(clean(), **{"r/10": {"attempts": 2}, "r/30": {"attempts": 2}})
    n1 = (*evidence.nodes["n1"], node_line("r/10", "n1", status=503), node_line("r/30", "n1", status=503))

    (finding,) = diagnose(replace(evidence, nodes={**evidence.nodes, "n1": n1}))

    assert (finding.cause, finding.requests) == (Cause.HIDDEN_FAILURES, 2)


def test_failures_that_came_through_are_the_nodes_errors():
    evidence = clean(reasons={("v1", "status:503"): 1})
    n1 = tuple(e._replace(status=503) if e.id == "r/10" else e for e in evidence.nodes["n1"])

    assert causes(replace(evidence, nodes={**evidence.nodes, "n1": n1})) == [Cause.NODE_ERRORS]


@pytest.mark.parametrize(("ended", "reported"), [(190, [Cause.CONNECTIONS_CLOSED]), (3, [])])
def test_connections_of_one_request_are_the_nodes_doing_only_if_it_ends_them(ended, reported):
    """A burst opens as many, and keeps them."""
    assert causes(clean(ended_by={"n1": ended})) == reported


def test_another_worker_of_a_node_that_runs_on_means_that_it_was_reloaded():
    evidence = with_node(clean(), "n1", lambda e: e._replace(worker=7 if e.time_us < 1_000_000 else 8))

    (finding,) = diagnose(evidence)

    assert (finding.cause, finding.requests) == (Cause.NODE_RELOADED, 100)
    assert "process 8 answers in the place of 7" in finding.detail


def lost(evidence, request_id):
    n1 = tuple(entry for entry in evidence.nodes["n1"] if entry.id != request_id)
    return replace(evidence, nodes={**evidence.nodes, "n1": n1})


def test_a_request_lost_with_a_connection_that_had_served_others_is_a_stale_connections_doing():
    bad = gateway_line("r/10", "c1", at=50_000, **ENDED_UNDER_IT)
    evidence = lost(clean(reasons={("v1", "status:503"): 1}), "r/10")
    evidence = with_gateway(evidence, **{"r/10": bad._asdict()})

    (finding,) = diagnose(evidence)

    assert (finding.cause, finding.requests) == (Cause.STALE_CONNECTIONS, 1)


def test_a_request_lost_with_a_new_connection_is_not_the_doing_of_stale_connections():
    bad = gateway_line("r/10", "c1", at=50_000, **ENDED_UNDER_IT)._replace(upstream_connection=99)
    evidence = lost(clean(reasons={("v1", "status:503"): 1}), "r/10")

    assert causes(with_gateway(evidence, **{"r/10": bad._asdict()})) == [Cause.WRONG_ANSWERS]


def test_a_stale_connection_behind_a_retry_is_seen_by_the_attempt_that_no_node_logged():
    (finding,) = diagnose(with_gateway(clean(), **{"r/10": {"attempts": 2}}))

    assert finding.cause is Cause.STALE_CONNECTIONS
    assert "1 of them were sent again with success" in finding.detail


FEW = [f"r/{number}" for number in range(0, 400, 20)]


def test_a_few_slow_requests_of_one_node_are_a_mode_of_their_own():
    """20 of 200, 30 ms later, while the other node is never slow."""
    (finding,) = diagnose(with_gateway(clean(), **{each: {"duration_us": 30_900} for each in FEW}))

    assert (finding.cause, finding.requests) == (Cause.SLOW_SHARE, 20)
    assert "30 ms longer" in finding.detail


@pytest.mark.parametrize(
    "slow",
    [
        # The machine: whenever one node is slow, the other is.
        {each: 30_900 for number in range(0, 400, 20) for each in (f"r/{number}", f"r/{number + 1}")},
        # Pauses of any length do not make a mode.
        {each: 11_000 * (1 + number) for number, each in enumerate(FEW)},
        # Twelve are too few to rule chance out.
        dict.fromkeys(FEW[:12], 30_900),
        # All at one moment: one pause.
        {f"r/{number}": 30_900 for number in range(0, 40, 2)},
    ],
    ids=["the machine", "no mode", "too few", "one moment"],
)
def test_slow_requests_that_chance_or_the_machine_explains_are_no_finding(slow):
    changed = {each: {"duration_us": micros} for each, micros in slow.items()}

    assert diagnose(with_gateway(clean(), **changed)) == ()


def test_answers_that_a_proxy_refuses_are_distinguished_from_errors_of_a_node():
    evidence = clean(reasons={("v1", "status:502"): 1})
    bad = evidence.sidecar[10]._replace(status=502, flags=("UPE",))
    sidecar = (*evidence.sidecar[:10], bad, *evidence.sidecar[11:])

    (finding,) = diagnose(replace(evidence, sidecar=sidecar))

    assert finding.cause is Cause.BROKEN_HTTP
    assert finding.detail.startswith("s refuses 1 answers")


def test_two_node_headers_are_named_as_such():
    assert causes(clean(reasons={("v1", "two-nodes:x-node"): 3})) == [Cause.TWO_NODES]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("<h1>v1!</h1> and more", Cause.FOREIGN_PAGE),
        ("<h1>v2!</h1>", Cause.WRONG_PAGE),
        ("nothing of the kind", Cause.WRONG_ANSWERS),
    ],
)
def test_a_page_that_bears_its_mark_and_more_is_distinguished_from_anothers(body, cause):
    key = ("v1", "wrong-body")

    evidence = clean(reasons={key: 3}, bodies={key: f"HTTP/1.1 200 OK\r\nx-node: n1\r\n\r\n{body}"})

    assert causes(evidence) == [cause]
