"""The regression finds the costs that windows were made of, and its intervals hold what they promise."""

import numpy as np
import pytest

from bench.analysis.tls import HandshakeWindow, handshake_costs

REQUEST_US = 60.0
TRUTH = {"full": 5200.0, "resumed": 430.0}


def window(full=0, resumed=0, *, requests=100, speed=1.0):
    us = REQUEST_US * requests + TRUTH["full"] * full + TRUTH["resumed"] * resumed
    return HandshakeWindow(requests, full, resumed, us * speed / 1e6)


def rounds(lot, *, noise=0.02, drift=0.1, count=12):
    """As the lab measures them: the machine's speed in each round, and an error of each window."""
    found = []
    for _ in range(count):
        speed = 1 + drift * lot.standard_normal()
        kinds = [(0, 0), (100, 0), (2, 98)]
        found.append([window(*each, speed=speed * (1 + noise * lot.standard_normal())) for each in kinds])
    return found


def test_costs_without_noise_are_found_exactly_also_where_both_kinds_meet_in_a_window():
    found = handshake_costs(rounds(np.random.default_rng(1), noise=0, drift=0))

    assert {name: each.value for name, each in found.items()} == pytest.approx(TRUTH)


def test_intervals_hold_the_truth_as_often_as_they_say():
    lot = np.random.default_rng(7)
    trials = 300
    held = dict.fromkeys(TRUTH, 0)
    for _ in range(trials):
        for name, found in handshake_costs(rounds(lot)).items():
            held[name] += found.low <= TRUTH[name] <= found.high

    # 95 % of 300 is 285; three standard deviations are 11.
    assert all(trials * 0.91 <= count for count in held.values()), held


def test_rounds_that_are_too_few_or_whose_windows_are_too_much_alike_give_nothing_and_no_guess():
    good = rounds(np.random.default_rng(1))

    assert handshake_costs([]) == {}
    assert handshake_costs(good[:2]) == {}
    assert handshake_costs([[window(100), window(100), window(100)]] * 5) == {}
    assert handshake_costs([[window(), window(100)], *[[window(100), window(50, 50)]] * 5]) == {}


def test_a_round_in_which_a_kind_did_not_occur_is_left_out():
    good = rounds(np.random.default_rng(1), noise=0, drift=0)

    found = handshake_costs([*good, [window(), window(100), window(100)]])

    assert {name: each.value for name, each in found.items()} == pytest.approx(TRUTH)


def test_what_never_occurred_has_no_cost():
    found = handshake_costs([[window(), window(100), window(100)]] * 4)

    assert set(found) == {"full"}
    assert found["full"].value == pytest.approx(TRUTH["full"])
