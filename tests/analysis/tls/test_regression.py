"""The regression finds the costs that windows were made of, and its intervals hold what they promise."""

import numpy as np
import pytest

from bench.analysis.tls import HandshakeWindow, Round, handshake_costs

REQUEST_US = 60.0
RARE_REQUEST_US = 90.0
SIDECAR_US = 40.0
TRUTH = {"full": 5200.0, "resumed": 430.0}


def window(full=0, resumed=0, *, requests=100, speed=1.0, load=0):
    us = (RARE_REQUEST_US if load else REQUEST_US) * requests
    us += TRUTH["full"] * full + TRUTH["resumed"] * resumed
    return HandshakeWindow(requests, full, resumed, us * speed / 1e6, load)


def rounds(lot, *, noise=0.02, drift=0.1, count=12):
    """As the lab measures them: the machine's speed in each round, and an error of each window."""
    found = []
    for _ in range(count):
        speed = 1 + drift * lot.standard_normal()
        kinds = [(0, 0), (100, 0), (2, 98)]
        windows = [window(*each, speed=speed * (1 + noise * lot.standard_normal())) for each in kinds]
        found.append(Round(tuple(windows), dict.fromkeys(TRUTH, (SIDECAR_US * speed,))))
    return found


def alike(count, *windows):
    return [Round(windows)] * count


def test_costs_without_noise_are_found_exactly_also_where_both_kinds_meet_in_a_window():
    found = handshake_costs(rounds(np.random.default_rng(1), noise=0, drift=0))

    assert {name: each.value for name, each in found.items()} == pytest.approx(TRUTH)


@pytest.mark.parametrize("sees_pace", [True, False])
def test_intervals_hold_the_truth_as_often_as_they_say(sees_pace):
    """At the pace that the rounds had; where no pace is known, at the machine's usual one."""
    lot = np.random.default_rng(7)
    trials = 300
    held = dict.fromkeys(TRUTH, 0)
    for _ in range(trials):
        made = rounds(lot)
        speed = np.mean([each.paces_us["full"][0] for each in made]) / SIDECAR_US if sees_pace else 1.0
        if not sees_pace:
            made = [Round(each.windows) for each in made]
        for name, found in handshake_costs(made).items():
            held[name] += found.low <= TRUTH[name] * speed <= found.high

    # 95 % of 300 is 285; three standard deviations are 11.
    assert all(trials * 0.91 <= count for count in held.values()), held


def test_what_the_pace_explains_does_not_widen_an_interval():
    made = rounds(np.random.default_rng(3), noise=0.01)

    seen, unseen = (
        handshake_costs(made)["full"],
        handshake_costs([Round(each.windows) for each in made])["full"],
    )

    assert seen.value == unseen.value
    assert seen.half_width < unseen.half_width / 2


def test_full_and_resumed_handshakes_may_have_loads_of_their_own():
    found = handshake_costs(
        alike(4, window(load=1), window(20, 0, load=1), window(requests=400), window(6, 394, requests=400))
    )

    assert {name: each.value for name, each in found.items()} == pytest.approx(TRUTH)


def test_a_later_round_may_have_the_one_load_that_is_still_wanted():
    both = alike(4, window(load=1), window(20, 0, load=1), window(requests=400), window(0, 400, requests=400))
    noisy = [Round((window(load=0), window(0, 100, load=0, speed=speed))) for speed in (0.9, 1.1, 0.9, 1.1)]

    alone, more = handshake_costs(both), handshake_costs([*both, *noisy])

    assert more["full"] == alone["full"]
    assert more["resumed"].high > alone["resumed"].high


def test_rounds_that_are_too_few_or_whose_windows_are_too_much_alike_give_nothing_and_no_guess():
    good = rounds(np.random.default_rng(1))

    assert handshake_costs([]) == {}
    assert handshake_costs(good[:2]) == {}
    assert handshake_costs(alike(5, window(100), window(100), window(100))) == {}
    few = alike(1, window(), window(100)) + alike(5, window(100), window(50, 50))
    assert handshake_costs(few) == {}


def test_a_round_in_which_a_kind_did_not_occur_is_left_out():
    good = rounds(np.random.default_rng(1), noise=0, drift=0)

    found = handshake_costs([*good, Round((window(), window(100), window(100)))])

    assert {name: each.value for name, each in found.items()} == pytest.approx(TRUTH)


def test_what_never_occurred_has_no_cost():
    found = handshake_costs(alike(4, window(), window(100), window(100)))

    assert set(found) == {"full"}
    assert found["full"].value == pytest.approx(TRUTH["full"])
