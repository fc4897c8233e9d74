"""The oracle's speeds: read from what openssl prints, by operations or by seconds."""

import shutil

import pytest

from bench.errors import MeasurementError
from bench.telemetry import openssl_speed, openssl_version
from bench.telemetry.crypto_speed import parse_speed


def test_operations_per_second_become_microseconds():
    found = parse_speed("+DTP:…\n+F2:4:4096:238.461538:15169.230769\n")

    assert (round(found.sign_us), round(found.verify_us, 1)) == (4194, 65.9)


def test_the_seconds_of_old_releases_are_understood():
    found = parse_speed("+F4:3:256:0.000024:0.000068\n")

    assert (round(found.sign_us), round(found.verify_us)) == (24, 68)


@pytest.mark.parametrize("text", ["", "+F2:4:4096:0.0:10\n", "+F5:22:253:31325.0:0.000032\n"])
def test_what_says_nothing_of_signatures_is_an_error(text):
    with pytest.raises(MeasurementError):
        parse_speed(text)


def test_a_key_that_openssl_cannot_time_is_an_error_with_its_name():
    with pytest.raises(MeasurementError, match="dsa-1024"):
        openssl_speed("dsa-1024")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on PATH")
def test_the_openssl_of_this_machine_is_read():
    found = openssl_speed("ecdsa-p256")

    assert 0 < found.sign_us < found.verify_us
    assert "SSL" in openssl_version()
