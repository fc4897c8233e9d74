"""Signatures of one handshake by end, and cells that cost less than they can."""

import pytest

from bench.analysis.tls import operations, oracle_line
from bench.result import CryptoSpeed, Estimate

SPEED = CryptoSpeed(
    key="rsa-4096",
    sign_us=4300,
    verify_us=66,
    fastest_sign_us=4200,
    fastest_verify_us=64,
    runs=3,
    library="OpenSSL",
)


def line(end, value, *, certificate=True, kind="full", reach=100):
    measured = Estimate(value=value, low=value - reach, high=value + reach)
    return oracle_line(end, kind, SPEED, measured, client_certificate=certificate)


@pytest.mark.parametrize(
    ("end", "certificate", "wanted"),
    [
        ("gateway", True, (1, 2)),
        ("gateway", False, (0, 2)),
        ("node", True, (1, 2)),
        ("node", False, (1, 0)),
    ],
)
def test_each_end_signs_for_its_certificate_and_verifies_the_others(end, certificate, wanted):
    found = operations(end, "full", client_certificate=certificate)

    assert (found.signs, found.verifies) == wanted


def test_a_resumed_handshake_has_no_signature():
    found = operations("gateway", "resumed", client_certificate=True)

    assert (found.signs, found.verifies) == (0, 0)
    assert not line("gateway", 300, kind="resumed").below


def test_the_floor_is_the_fastest_signature_and_the_whole_has_the_chain():
    found = line("gateway", 5000)

    assert (found.floor_us, found.whole_us) == (4200, 4300 + 2 * 66)


def test_a_cell_is_below_its_oracle_only_with_its_whole_interval():
    assert line("gateway", 4000).below
    assert not line("gateway", 4000, reach=300).below
    assert not line("gateway", 5000).below


def test_who_only_verifies_has_its_verifications_as_floor():
    assert line("gateway", 600, certificate=False).floor_us == 128
