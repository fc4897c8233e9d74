"""The one certificate authority of tests that need certificates beside those of a stack."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
A_DAY = timedelta(days=1)


class Authority:
    """Writes its own certificate, and all that it issues, into one folder: ``NAME.crt`` and ``NAME.key``."""

    def __init__(self, folder: Path, *, name: str = "ca", key: PrivateKey | None = None) -> None:
        """Be a fresh authority, or one that has *key*."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(
            _pem(self._builder(self.name, self.key, is_ca=True).sign(self.key, hashes.SHA256()))
        )

    def issue(
        self, name: str, alternative_names: Iterable[str] = (), *, key: PrivateKey | None = None
    ) -> tuple[Path, Path]:
        """Write a certificate for *alternative_names* (hosts, addresses, URIs) and its key."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(name), key, is_ca=False)
        names = [_general_name(each) for each in alternative_names]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate, private_key = self.pair(name)
        certificate.write_bytes(_pem(builder.sign(self.key, hashes.SHA256())))
        private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private_key

    def pair(self, name: str) -> tuple[Path, Path]:
        """Give the files of what was issued as *name*."""
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def serial(self, name: str) -> int:
        """Give the serial number of what was issued as *name*."""
        return x509.load_pem_x509_certificate(self.pair(name)[0].read_bytes()).serial_number

    def revoke_nothing(self) -> Path:
        """Write a revocation list without an entry."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        signed = builder.last_update(now).next_update(now + A_DAY).sign(self.key, hashes.SHA256())
        path = self.file.with_suffix(".crl")
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return path

    def _builder(self, subject: x509.Name, key: PrivateKey, *, is_ca: bool) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - A_DAY)
            .not_valid_after(now + A_DAY)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ip_address(name))
    return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
