"""Certificates that a scenario supplies: whether they can be read, fit together, and would be let in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bench.errors import Position
from bench.istio.problem import Problem
from bench.scenario import Credential, Scenario

_CORRECT = "Correct the file."


def credential_problems(
    scenario: Scenario, folder: Path, lines: Mapping[str, Position], now: datetime | None = None
) -> Iterator[Problem]:
    """What is wrong with the own files of credentials, such as a client whom no node could let in.

    Args:
        scenario: the scenario.
        folder: what the files' names are relative to.
        lines: credential -> the line that has it.
        now: the moment at which the certificates must be valid; default: the clock's.
    """
    moment = now if now is not None else datetime.now(UTC)
    for name, credential in scenario.tls.credentials.items():
        for what, remedy in _faults(credential, folder, moment):
            yield Problem(lines[name], f"tls.credentials.{name}: {what}.", remedy)


def _faults(credential: Credential, folder: Path, now: datetime) -> Iterator[tuple[str, str]]:
    read: dict[str, list[x509.Certificate]] = {}
    for part in ("cert", "ca", "issuer"):
        given = getattr(credential, part)
        if given is None:
            continue
        try:
            read[part] = read_certificates(folder / given)
        except (OSError, ValueError) as error:
            yield (
                f"{part} {given} cannot be read as a certificate in PEM ({_plain(error)})",
                "Correct the file.",
            )
            return
    if credential.key is None or "cert" not in read:
        return
    leaf, *chain = read["cert"]
    try:
        key = load_pem_private_key((folder / credential.key).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        yield (
            f"key {credential.key} cannot be read as a private key in PEM ({_plain(error)})",
            "Correct the file.",
        )
        return
    if _public(key.public_key()) != _public(leaf.public_key()):
        yield f"{credential.key} is not the key of {credential.cert}", "Give the two that belong together."
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        yield (
            f"{credential.cert} is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, not now",
            "Give a valid one.",
        )
    given = "issuer" if credential.issuer is not None else "ca"
    if not _leads_to(leaf, chain, read.get(given, [])):
        file = getattr(credential, given)
        known = f"an authority in {file}" if file else "a known authority"
        remedy = f"Add `issuer: FILE`, the CA that signed {credential.cert}: it is trusted as the set's own."
        yield f"{credential.cert} is not of {known}, so nothing would trust it", remedy


def _leads_to(
    leaf: x509.Certificate, chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]
) -> bool:
    """Whether one of *authorities* signed *leaf*, directly or by way of *chain*."""
    if leaf in authorities or any(_signed(leaf, each) for each in authorities):
        return True
    return any(
        _signed(leaf, each) and _leads_to(each, [other for other in chain if other != each], authorities)
        for each in chain
    )


def _signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def read_certificates(file: Path) -> list[x509.Certificate]:
    """Read all certificates of a file in PEM; raises ``OSError``, ``ValueError``."""
    return x509.load_pem_x509_certificates(file.read_bytes())


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


def _plain(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error).splitlines()[0]
