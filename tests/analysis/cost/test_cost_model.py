"""The cost model finds what simulated parts really cost, reports what it cannot, and predicts mixes."""

import numpy as np
import pytest

from bench.analysis.cost import APART, Window, design_of, fit, fit_scaling, predict
from bench.errors import InputError, MeasurementError

TRUTH = {"base": 0.02, "request": 120e-6, "full_handshake": 4e-3, "resumed_handshake": 600e-6, "mb_in": 2e-3}
PLANS = (
    (200, 0, 0, 0), (1_000, 0, 0, 0), (2_500, 0, 0, 0), (400, 0, 0, 0.016), (1_500, 0, 0, 0.016),
    (60, 1, 0, 0), (120, 1, 0, 0), (60, 0, 1, 0), (150, 0, 1, 0), (800, 0, 0, 0.004),
)  # fmt: skip
"""Requests/s, full and resumed handshakes and megabytes for each request."""


def a_window(rate, full, resumed, mb, *, noise=0.0, lot=None, seconds=3.0):
    requests = rate * seconds
    amounts = {
        "base": seconds,
        "request": requests,
        "full_handshake": requests * full,
        "resumed_handshake": requests * resumed,
        "mb_in": requests * mb,
    }
    cpu = sum(TRUTH[name] * amount for name, amount in amounts.items())
    if noise:
        cpu *= float(np.exp(lot.normal(0, noise)))
    return Window(
        seconds,
        requests,
        full_handshakes=amounts["full_handshake"],
        resumed_handshakes=amounts["resumed_handshake"],
        mb_in=amounts["mb_in"],
        cpu_s=cpu,
    )


def test_every_term_is_found_within_its_interval():
    lot = np.random.default_rng(1)
    model = fit("gateway", [a_window(*plan, noise=0.02, lot=lot) for plan in PLANS * 2])

    assert {term.name for term in model.terms} == set(TRUTH)
    assert model.never == ("mb_out",)
    assert model.condition < APART
    for term in model.terms:
        assert term.low <= TRUTH[term.name] <= term.high
        assert term.cpu_s == pytest.approx(TRUTH[term.name], rel=0.25)


def test_mixes_that_were_not_fitted_are_predicted_within_ten_percent():
    lot = np.random.default_rng(2)
    model = fit("gateway", [a_window(*plan, noise=0.03, lot=lot) for plan in PLANS])

    for _ in range(10):
        rate, new, share = lot.uniform(100, 2_500), lot.uniform(0, 0.3), lot.uniform(0, 1)
        mb = lot.uniform(0, 0.016)
        mix = {
            "request": rate,
            "full_handshake": rate * new * (1 - share),
            "resumed_handshake": rate * new * share,
            "mb_in": rate * mb,
        }
        truth = TRUTH["base"] + sum(TRUTH[name] * amount for name, amount in mix.items())
        best, low, high = predict(model, mix)
        assert best == pytest.approx(truth, rel=0.1)
        assert low <= best <= high


def test_a_noisy_machine_makes_no_part_cheaper():
    """CPU time that scatters by a fifth: over 40 tries the predictions are right on average."""
    lot = np.random.default_rng(4)
    asked = {"request": 700.0, "full_handshake": 20.0, "resumed_handshake": 20.0, "mb_in": 3.0}
    truth = TRUTH["base"] + sum(TRUTH[name] * amount for name, amount in asked.items())

    found = [
        predict(fit("gateway", [a_window(*plan, noise=0.2, lot=lot) for plan in PLANS * 3]), asked)[0] / truth
        for _ in range(40)
    ]

    # The mean of a log-normal factor of 0.2 is 1.02.
    assert np.mean(found) == pytest.approx(1.02, abs=0.02)


def test_terms_that_move_together_are_reported_as_one_and_not_split():
    """Every request opens a connection: its cost cannot be distinguished from the request's."""
    windows = [
        Window(3, requests, full_handshakes=requests, cpu_s=0.06 + requests * 5e-3)
        for requests in (60, 150, 300, 600)
    ]

    model = fit("gateway", windows)

    joined = [term for term in model.terms if term.joined_with]
    assert [(term.name, term.joined_with) for term in joined] == [("request", ("full_handshake",))]
    assert joined[0].cpu_s == pytest.approx(5e-3, rel=0.01)
    assert model.condition > APART
    assert len(design_of(windows).groups) == 2


def test_one_rate_cannot_distinguish_the_base_from_the_requests():
    lot = np.random.default_rng(3)
    model = fit("gateway", [a_window(500, 0, 0, 0, noise=0.01, lot=lot) for _ in range(6)])

    assert [term.joined_with for term in model.terms] == [("request",)]


def test_what_never_happened_has_no_cost_and_cannot_be_asked_for():
    model = fit("gateway", [a_window(rate, 0, 0, 0) for rate in (200, 600, 1_500)])

    assert set(model.never) == {"full_handshake", "resumed_handshake", "mb_in", "mb_out"}
    with pytest.raises(InputError, match="knows nothing about full_handshake"):
        predict(model, {"request": 100, "full_handshake": 1})


@pytest.mark.parametrize(
    "windows",
    [
        [a_window(200, 0, 0, 0)],
        [Window(1, 10, cpu_s=0.0), Window(1, 20, cpu_s=0.1), Window(1, 30, cpu_s=0.1)],
    ],
)
def test_too_little_is_reported_as_such(windows):
    with pytest.raises(MeasurementError):
        fit("gateway", windows)


def law(n, contention=0.05, coherence=0.002, rate=1_000):
    return rate * n / (1 + contention * (n - 1) + coherence * n * (n - 1))


def test_the_scaling_law_is_found_and_refuses_what_lies_beyond_twice_the_range():
    found = fit_scaling([1, 2, 3, 4, 6, 8], [law(n) for n in (1, 2, 3, 4, 6, 8)])

    assert found.contention == pytest.approx(0.05, rel=0.05)
    assert found.coherence == pytest.approx(0.002, rel=0.05)
    assert found.peak == pytest.approx((0.95 / 0.002) ** 0.5, rel=0.05)
    assert found.at(16) == pytest.approx(law(16), rel=0.02)
    with pytest.raises(InputError, match="up to 8"):
        found.at(16.1)


def test_perfect_scaling_has_no_peak():
    assert fit_scaling([1, 2, 4], [1_000, 2_000, 4_000]).at(8) == pytest.approx(8_000, rel=0.01)


def test_two_sizes_are_no_law():
    with pytest.raises(MeasurementError, match="three sizes"):
        fit_scaling([1, 2], [1_000, 1_900])
