"""Reuse follows from Envoy's one queue for each cluster, who accepts what, and the order of nodes."""

import numpy as np
import pytest

from bench.analysis.tls import Attempt, Sessions, predict_full_after, predict_reuse


def sessions(**changed):
    given = {
        "max_session_keys": 1,
        "tls_version": "TLSv1.3",
        "nodes": 2,
        "shared_keys": False,
        "per_subset": False,
    }
    return Sessions(**(given | changed))


def attempts(nodes, *, takes=0.0):
    """A connection to each of *nodes*, at equal distances of 1, whose handshake takes so long."""
    return [Attempt(node, number, number + takes) for number, node in enumerate(nodes)]


TURNS = attempts([number % 2 for number in range(1000)])


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("keys", [1, 8, 64])
def test_one_cluster_for_two_nodes_in_turn_never_resumes(keys, version):
    assert predict_reuse(sessions(max_session_keys=keys, tls_version=version), TURNS) == 0


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_cluster_for_each_node_resumes_all_but_the_first(version):
    assert predict_reuse(sessions(per_subset=True, tls_version=version), TURNS) == 0.998


def test_nodes_with_one_ticket_key_resume_each_others_sessions():
    assert predict_reuse(sessions(shared_keys=True), TURNS) == 0.999


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_by_lot_a_session_meets_its_own_node_with_the_chance_of_one_in_n(nodes):
    sequence = attempts(np.random.default_rng(5).integers(0, nodes, 40_000))

    assert predict_reuse(sessions(nodes=nodes), sequence) == pytest.approx(1 / nodes, abs=0.01)


@pytest.mark.parametrize("changed", [{"max_session_keys": 0}, {"resumable": False}])
def test_without_sessions_nothing_resumes(changed):
    assert predict_reuse(sessions(per_subset=True, **changed), TURNS) == 0


def test_connections_that_begin_before_the_first_ticket_came_are_full_ones():
    slow = predict_reuse(sessions(per_subset=True, nodes=1), attempts([0] * 1000, takes=2.5))

    # At 0, 1 and 2 distances; the ticket of the first one is there at 2.5.
    assert slow == 0.997


def test_bursts_empty_a_queue_of_one_session_and_not_one_of_many():
    burst = [Attempt(0, number // 5 * 5, number // 5 * 5 + 1) for number in range(1000)]
    one, many = (
        predict_reuse(sessions(per_subset=True, nodes=1, max_session_keys=keys), burst) for keys in (1, 8)
    )

    assert (one, many) == (0.199, 0.995)


def test_the_first_connections_may_be_left_out():
    assert predict_reuse(sessions(per_subset=True), TURNS, counted_from=10) == 1


def test_no_connection_has_no_share_to_predict():
    assert predict_reuse(sessions(), []) == 0


@pytest.mark.parametrize(
    ("event", "shared", "wanted"),
    [
        ("none", False, 0),
        ("endpoint-update", False, 0),
        ("node-restart", False, 1),
        ("node-restart", True, 0),
        ("ticket-key-rotation", True, 1),
    ],
)
def test_an_event_costs_one_full_handshake_where_the_ticket_keys_change(event, shared, wanted):
    assert predict_full_after(event, shared_keys=shared) == wanted
