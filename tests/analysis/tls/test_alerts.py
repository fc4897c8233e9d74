"""Failures are named by BoringSSL's numbers, whatever the words around them."""

import pytest

from bench.analysis.tls import SOCKET, name_failure


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (
            "TLS_error:|268435581:words:CERTIFICATE_VERIFY_FAILED",
            "certificate-verify-failed",
        ),
        ("TLS_error:|268436526:whatever:TLS_error_end", "alert-protocol-version"),
        ("268436504", "alert-unknown-ca"),
        ("268436501", "alert-certificate-expired"),
        ("268436496", "alert-handshake-failure"),
        ("TLS_error:|268435999", "other-tls-error"),
        ("delayed connect error: Connection refused|remote address:127.0.0.1:443", SOCKET),
        ("", None),
        (None, None),
    ],
)
def test_a_failure_has_the_name_of_its_number(failure, name):
    assert name_failure(failure) == name
