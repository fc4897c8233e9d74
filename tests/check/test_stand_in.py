"""What stands in for certificates belongs together, says whose key it is, and does not run out."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bench.check.envoy_validation import stand_in

CERTIFICATE = x509.load_pem_x509_certificate(stand_in.STAND_IN_PAIR.encode())
REVOCATION_LIST = x509.load_pem_x509_crl(stand_in.STAND_IN_REVOCATIONS.encode())


def test_the_key_is_that_of_the_certificate_which_signed_itself():
    key = load_pem_private_key(stand_in.STAND_IN_PAIR.encode(), None)
    public = [
        each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for each in (key.public_key(), CERTIFICATE.public_key())
    ]

    assert public[0] == public[1]
    CERTIFICATE.verify_directly_issued_by(CERTIFICATE)
    assert "validation alone" in CERTIFICATE.subject.rfc4514_string()


def test_the_list_of_revoked_certificates_is_signed_by_it_and_empty():
    assert REVOCATION_LIST.is_signature_valid(CERTIFICATE.public_key())
    assert list(REVOCATION_LIST) == []


def test_neither_runs_out():
    far = datetime(9999, 1, 1, tzinfo=UTC)

    assert CERTIFICATE.not_valid_after_utc > far
    assert REVOCATION_LIST.next_update_utc > far
