"""What answers hardly show is named: retries, connections that end, reloads, a few slow requests."""

from dataclasses import replace

import numpy as np
import pytest

from bench.experiment.faults.diagnosis import Cause, diagnose
from bench.experiment.faults.diagnosis.connections import few_slow
from tests.experiment.evidence import clean, gateway_line, node_line, seldom

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


def test_a_node_that_closes_each_connection_is_named_though_it_gets_few_requests():
    """Thirty of them, in a good second."""
    evidence = seldom(clean())

    def first(entry):
        return entry._replace(connection_requests=1 if 4_000_000 < entry.time_us < 5_200_000 else 9)

    closing = replace(with_node(evidence, "n1", first), ended_by={"n1": 30})

    (finding,) = diagnose(closing)
    assert finding.cause is Cause.CONNECTIONS_CLOSED
    assert causes(replace(closing, ended_by={"n1": 3})) == []


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


def a_load(*, seconds=12.0, share=0.5, pauses_per_s=0.0, slow=0.0, seed=1):
    """600 requests/s to two nodes on a machine that pauses; some of the first node's take 30 ms more."""
    dice = np.random.default_rng(seed)
    evidence, size = clean(), round(600 * seconds)
    times = np.arange(size) * int(1e6 / 600)
    first = dice.random(size) < share
    durations = dice.lognormal(np.log(900), 0.3, size)
    for on_node in (first, ~first, np.ones(size, dtype=bool)):
        for start in dice.uniform(0, times[-1], dice.poisson(pauses_per_s * seconds)):
            waits = start + dice.exponential(25_000) - times
            durations += np.where(on_node & (times >= start) & (waits > 0), waits, 0)
    durations += np.where(first & (dice.random(size) < slow), 30_000, 0)
    lines = [
        gateway_line(f"r/{n}", "c1" if first[n] else "c2", at=int(times[n]), duration=int(durations[n]))
        for n in range(size)
    ]
    return replace(evidence, gateway=tuple(lines), nodes={"n1": (), "n2": ()})


def found_slow(evidence):
    return [(finding.cause, finding.requests) for finding in few_slow(evidence)]


@pytest.mark.parametrize(("pauses_per_s", "least"), [(0.0, 8), (0.3, 7), (1.0, 4)])
def test_a_few_slow_requests_are_seen_beside_pauses_of_the_machine(pauses_per_s, least):
    loads = [a_load(slow=0.01, pauses_per_s=pauses_per_s, seed=seed) for seed in range(8)]
    found = [each for load in loads for each in found_slow(load)]

    assert least <= len(found) <= len(loads)
    assert all(cause is Cause.SLOW_SHARE and requests >= 20 for cause, requests in found)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.1])
@pytest.mark.parametrize("pauses_per_s", [0.0, 0.5, 2.0])
def test_pauses_of_a_machine_are_never_a_nodes_doing_however_its_traffic_is_divided(share, pauses_per_s):
    for seed in range(8):
        assert found_slow(a_load(share=share, pauses_per_s=pauses_per_s, seed=seed)) == []


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
