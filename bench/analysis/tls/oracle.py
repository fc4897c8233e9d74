"""What a handshake must cost at least: its signatures, at the speed that ``openssl speed`` reports."""

from __future__ import annotations

from dataclasses import dataclass

from bench.result import CryptoSpeed, End, Estimate, HandshakeKind, OracleLine


@dataclass(frozen=True, slots=True)
class Operations:
    """Public-key operations of one end in one handshake, beside the key exchange."""

    signs: int
    verifies: int


def operations(end: End, kind: HandshakeKind, *, client_certificate: bool) -> Operations:
    """Count the signatures of one handshake, with leaves that a trusted root has signed.

    TLS 1.2 with ECDHE and TLS 1.3 agree: who shows a certificate signs once; the other verifies that
    signature and the one on the leaf (RFC 5246, sections 7.4.3 and 7.4.8; RFC 8446, section 4.4). The root
    is trusted as it is. A resumed handshake has neither.
    """
    if kind == "resumed":
        return Operations(0, 0)
    if end == "gateway":
        return Operations(signs=1 if client_certificate else 0, verifies=2)
    return Operations(signs=1, verifies=2 if client_certificate else 0)


def oracle_line(
    end: End, kind: HandshakeKind, speed: CryptoSpeed, measured: Estimate, *, client_certificate: bool
) -> OracleLine:
    """Hold the CPU of one end against what its signatures must cost."""
    done = operations(end, kind, client_certificate=client_certificate)
    floor = done.signs * speed.fastest_sign_us if done.signs else done.verifies * speed.fastest_verify_us
    return OracleLine(
        end=end,
        signs=done.signs,
        verifies=done.verifies,
        floor_us=floor,
        whole_us=done.signs * speed.sign_us + done.verifies * speed.verify_us,
        measured=measured,
        below=measured.high < floor,
    )
