"""The regression finds the costs that windows were made of, and its intervals hold what they promise."""

import numpy as np
import pytest

from bench.analysis.tls import HandshakeWindow, fit_handshakes

TRUTH = {"base": 4000.0, "request": 60.0, "full": 5200.0, "resumed": 430.0}


def windows(lot, *, noise=0.02, rounds=4, modes=("kept", "resumed", "full")):
    """Windows as the lab measures them, each with an error of its own."""
    found = []
    for _ in range(rounds):
        for mode in modes:
            for rate in (80, 320) if mode == "kept" else (40, 80):
                full, resumed = (rate if mode == kind else 0 for kind in ("full", "resumed"))
                amounts = {"base": 1, "request": rate, "full": full, "resumed": resumed}
                us = sum(TRUTH[name] * amount for name, amount in amounts.items())
                error = 1 + noise * lot.standard_normal()
                found.append(HandshakeWindow(1.0, rate, full, resumed, us * error / 1e6))
    return found


def test_costs_without_noise_are_found_exactly():
    fit = fit_handshakes(windows(np.random.default_rng(1), noise=0))

    assert {name: round(each.value, 6) for name, each in fit.items()} == TRUTH


def test_intervals_hold_the_truth_as_often_as_they_say():
    lot = np.random.default_rng(7)
    trials = 300
    held = dict.fromkeys(TRUTH, 0)
    for _ in range(trials):
        for name, found in fit_handshakes(windows(lot)).items():
            held[name] += found.low <= TRUTH[name] <= found.high

    # 95 % of 300 is 285; three standard deviations are 11.
    assert all(trials * 0.91 <= count for count in held.values()), held


def test_handshakes_of_both_kinds_in_one_window_are_distinguished():
    mixed = [
        HandshakeWindow(1.0, 100, full, 100 - full, (4000 + 6000 + 5200 * full + 430 * (100 - full)) / 1e6)
        for full in (0, 20, 50, 80, 100)
    ]
    kept = [HandshakeWindow(1.0, rate, 0, 0, (4000 + 60 * rate) / 1e6) for rate in (50, 100, 300)]

    fit = fit_handshakes([*mixed, *kept])

    assert (fit["full"].value, fit["resumed"].value) == pytest.approx((5200, 430))


def test_windows_that_are_too_few_or_too_much_alike_give_nothing_and_no_guess():
    lot = np.random.default_rng(1)

    assert fit_handshakes([]) == {}
    assert fit_handshakes(windows(lot, rounds=1)[:3]) == {}
    assert fit_handshakes(windows(lot, modes=("full",))) == {}


def test_what_never_occurred_has_no_cost():
    fit = fit_handshakes(windows(np.random.default_rng(1), modes=("kept", "full")))

    assert set(fit) == {"base", "request", "full"}
