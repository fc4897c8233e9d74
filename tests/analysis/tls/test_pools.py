"""The law of handshakes, against a simulation of pools that knows nothing about the formula."""

import numpy as np
import pytest

from bench.analysis.tls import Pool, handshakes_per_s


def simulated(pool, seconds=400.0):
    """Requests at equal distances, each to a pool in turn or by lot; one connection for each pool."""
    lot = np.random.default_rng(11)
    pools = pool.workers * pool.nodes
    count = int(pool.rate * seconds)
    in_turn = pool.balancing == "ROUND_ROBIN" and pool.workers == 1
    chosen = np.arange(count) % pools if in_turn else lot.integers(0, pools, count)
    last, left = {}, {}
    opened = 0
    for number, which in enumerate(chosen):
        now = number / pool.rate
        limit = pool.requests_per_connection or float("inf")
        too_long = pool.idle_timeout_s is not None and now - last.get(which, now) > pool.idle_timeout_s + 1e-9
        if which not in last or left[which] <= 0 or too_long:
            opened += 1
            left[which] = limit
        left[which] -= 1
        last[which] = now
    return opened / seconds


@pytest.mark.parametrize(
    "pool",
    [
        Pool(100, requests_per_connection=1),
        Pool(100, workers=2, nodes=2, requests_per_connection=10),
        Pool(40, nodes=4, idle_timeout_s=0.05),
        Pool(40, nodes=2, idle_timeout_s=0.2, balancing="RANDOM"),
        Pool(40, nodes=4, idle_timeout_s=0.1, balancing="RANDOM"),
        Pool(60, nodes=3, idle_timeout_s=0.08, requests_per_connection=10, balancing="RANDOM"),
        Pool(30, workers=2, nodes=1, idle_timeout_s=0.1, requests_per_connection=100),
    ],
    ids=str,
)
def test_the_law_agrees_with_a_simulation(pool):
    assert handshakes_per_s(pool) == pytest.approx(simulated(pool), rel=0.03, abs=0.02)


def test_kept_connections_without_limits_bring_no_handshake():
    assert handshakes_per_s(Pool(1000, workers=4, nodes=4)) == 0
    assert handshakes_per_s(Pool(100, nodes=2, idle_timeout_s=1)) == 0


def test_a_pause_longer_than_the_timeout_makes_each_request_shake_hands():
    assert handshakes_per_s(Pool(2, idle_timeout_s=0.1)) == 2
