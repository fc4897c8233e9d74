"""A certificate authority that issues what one mutual-TLS path needs.

Extensions follow RFC 5280, section 4.2: basicConstraints and keyUsage critical, key identifiers on both
sides, extendedKeyUsage on leaves; OpenSSL 3 (with ``X509_V_FLAG_X509_STRICT``) and BoringSSL accept them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.certs.keys import KeyType, PrivateKey, generate_key, private_key_pem
from bench.errors import InputError

ORGANIZATION = "egress-bench"
VALIDITY = timedelta(days=90)
CLOCK_SKEW = timedelta(hours=1)
"""Certificates are valid from an hour ago, so that a peer whose clock lags accepts them."""


@dataclass(frozen=True, slots=True)
class Validity:
    """When a certificate is valid."""

    begin: datetime
    end: datetime

    @classmethod
    def around(cls, now: datetime) -> Self:
        """Valid at *now* and for the next 90 days."""
        return cls(now - CLOCK_SKEW, now + VALIDITY)

    @classmethod
    def expired(cls, now: datetime) -> Self:
        """Ended a day before *now*."""
        return cls(now - timedelta(days=30), now - timedelta(days=1))

    @classmethod
    def not_yet(cls, now: datetime) -> Self:
        """Begins a day after *now*."""
        return cls(now + timedelta(days=1), now + VALIDITY)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key in PEM (PKCS#8, no password)."""
        return private_key_pem(self.key)

    @property
    def serial(self) -> str:
        """The serial number as nginx prints ``$ssl_client_serial``: upper-case hex, whole bytes."""
        return named(self.certificate)[1]

    @property
    def subject(self) -> str:
        """The subject as nginx prints ``$ssl_client_s_dn`` (RFC 2253), e.g. ``CN=client,O=egress-bench``."""
        return named(self.certificate)[0]


def named(certificate: x509.Certificate) -> tuple[str, str]:
    """Give subject and serial number of *certificate* as nginx and Envoy print them."""
    digits = f"{certificate.serial_number:X}"
    return certificate.subject.rfc4514_string(), digits if len(digits) % 2 == 0 else f"0{digits}"


class Authority:
    """A root that signs server and client certificates directly."""

    def __init__(self, issued: Issued) -> None:
        self._issued = issued

    @classmethod
    def create(
        cls,
        common_name: str = "egress-bench CA",
        *,
        key: PrivateKey | None = None,
        key_type: KeyType = "ecdsa-p256",
        validity: Validity | None = None,
        path_length: int | None = 0,
    ) -> Self:
        """Make a self-signed root with *key*, or with a new key of *key_type*.

        *path_length*: how many authorities may lie below it; None: any number.
        """
        root_key = key if key is not None else generate_key(key_type)
        name = _name(common_name)
        identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
        builder = (
            _builder(name, name, root_key, validity)
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
            )
        )
        return cls(Issued(builder.sign(root_key, _digest_for(root_key)), root_key))

    def issue_authority(self, common_name: str) -> Authority:
        """Issue an authority below this one, with a P-256 key."""
        root = self._issued
        key = generate_key("ecdsa-p256")
        above = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _builder(_name(common_name), root.certificate.subject, key, None)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above), critical=False
            )
        )
        return Authority(Issued(builder.sign(root.key, _digest_for(root.key)), key))

    @property
    def issued(self) -> Issued:
        """Its certificate and key."""
        return self._issued

    @property
    def certificate(self) -> x509.Certificate:
        """The root certificate."""
        return self._issued.certificate

    @property
    def certificate_pem(self) -> bytes:
        """The root certificate in PEM: ``trusted_ca`` of Envoy, ``ssl_client_certificate`` of nginx."""
        return self._issued.certificate_pem

    def issue_server(
        self,
        names: Sequence[str],
        *,
        key: PrivateKey | None = None,
        key_type: KeyType = "ecdsa-p256",
        validity: Validity | None = None,
        is_client: bool = False,
    ) -> Issued:
        """Issue a server certificate whose SANs are *names*: DNS names, IP addresses, or URIs with ``://``.

        The subject's common name is the first DNS name, as a label only: verifiers read the SANs. With
        *is_client* it is good for the other end of a connection, too.

        Raises:
            InputError: no name, or one that cannot be a SAN.
        """
        if not names:
            raise InputError(
                "a server certificate needs at least one name.", remedy="Give a DNS name or an IP."
            )
        sans = [_general_name(name) for name in dict.fromkeys(names)]
        dns = next((san.value for san in sans if isinstance(san, x509.DNSName)), "server")
        return self._issue(
            # X.520 limits a common name to 64 characters; a longer host stays whole in its SAN.
            dns[:64],
            sans,
            [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if is_client else [])],
            key if key is not None else generate_key(key_type),
            validity,
        )

    def issue_client(
        self,
        common_name: str,
        *,
        uri: str | None = None,
        key: PrivateKey | None = None,
        key_type: KeyType = "ecdsa-p256",
        validity: Validity | None = None,
    ) -> Issued:
        """Issue a client certificate, with *uri* (e.g. ``spiffe://cluster.local/ns/…``) as its SAN if given.

        Raises:
            InputError: *uri* is not a URI.
        """
        if uri is not None and "://" not in uri:
            raise InputError(f"{uri!r} is not a URI.", remedy="A SPIFFE identity reads spiffe://DOMAIN/PATH.")
        return self._issue(
            common_name,
            [_general_name(uri)] if uri is not None else [],
            [ExtendedKeyUsageOID.CLIENT_AUTH],
            key if key is not None else generate_key(key_type),
            validity,
        )

    def issue_workload(
        self, identity: str, *, key: PrivateKey | None = None, validity: Validity | None = None
    ) -> Issued:
        """Issue what a mesh gives a workload, as client and as server; its SAN is *identity*, a URI."""
        return self._issue(
            identity.rpartition("/")[2][:64],
            [_general_name(identity)],
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
            key if key is not None else generate_key("ecdsa-p256"),
            validity,
        )

    def _issue(
        self,
        common_name: str,
        sans: Sequence[x509.GeneralName],
        usages: Sequence[x509.ObjectIdentifier],
        key: PrivateKey,
        validity: Validity | None,
    ) -> Issued:
        root = self._issued
        root_identifier = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _builder(_name(common_name), root.certificate.subject, key, validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(encipherment=isinstance(key, rsa.RSAPrivateKey)), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_identifier),
                critical=False,
            )
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        return Issued(builder.sign(root.key, _digest_for(root.key)), key)


def _digest_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """SHA-384 for P-384: TLS 1.3 knows that curve with no other digest (RFC 8446, section 4.2.3)."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return hashes.SHA384()
    return hashes.SHA256()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, validity: Validity | None
) -> x509.CertificateBuilder:
    chosen = validity if validity is not None else Validity.around(datetime.now(UTC))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(chosen.begin)
        .not_valid_after(chosen.end)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        if "://" in name:
            return x509.UniformResourceIdentifier(name)
        if name and not name.isspace():
            return x509.DNSName(name)
    except ValueError as error:
        raise InputError(
            f"{name!r} cannot be a name in a certificate: {error}.", remedy="Write it in ASCII (punycode)."
        ) from error
    raise InputError("an empty name cannot be in a certificate.", remedy="Give a DNS name, an IP or a URI.")


def _key_usage(*, signs_certificates: bool = False, encipherment: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        # Only RSA key exchange (TLS 1.2) enciphers; RFC 5480 forbids the bit for ECDSA keys.
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
