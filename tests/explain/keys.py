"""Certificates that every proxy of a case can work with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import DownstreamTlsContext

from bench.explain.clusters import upstream_context
from bench.explain.walk import client_validation
from bench.istio.registry import Registry
from bench.translate import ProxyConfig
from bench.translate.messages import unpack


def all_names(registry: Registry, configs: Mapping[str, ProxyConfig]) -> list[str]:
    """Give every name that a certificate may have to carry."""
    names = {service.host for service in registry.services}
    for virtual_service in registry.virtual_services:
        names.update(virtual_service.hosts)
    for config in configs.values():
        for cluster in config.clusters:
            names |= _exact_names(_validation(cluster))
        for context in _downstream(config):
            names |= _exact_names(client_validation(context))
    # A Host may be written in its absolute form, with a dot at the end, and is then the name to verify.
    names |= {f"{name}." for name in names if "." in name and "://" not in name}
    return sorted(name for name in names if name.strip("*."))


def _validation(cluster: Any) -> Any:
    context = upstream_context(cluster.transport_socket)
    common = context.common_tls_context if context is not None else None
    combined = common.combined_validation_context if common is not None else None
    return combined.default_validation_context if combined is not None else None


def _downstream(config: ProxyConfig) -> Iterator[DownstreamTlsContext]:
    for listener in config.listeners:
        for chain in listener.filter_chains:
            context = unpack(chain.transport_socket.typed_config) if chain.transport_socket else None
            if isinstance(context, DownstreamTlsContext):
                yield context


def _exact_names(validation: Any) -> set[str]:
    matchers = validation.match_typed_subject_alt_names if validation is not None else []
    return {each.matcher.exact for each in matchers if each.matcher is not None and each.matcher.exact}


@dataclass(frozen=True)
class Keys:
    """A CA, a server certificate with every name that is asked for, a client certificate."""

    folder: Path

    def issue(self, names: list[str]) -> None:
        """Write all files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        ca_key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])

        def certificate(common_name: str, key: Any, *, is_ca: bool) -> bytes:
            builder = (
                x509.CertificateBuilder()
                .subject_name(
                    issuer if is_ca else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
                )
                .issuer_name(issuer)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(days=1))
                .not_valid_after(now + timedelta(days=1))
                .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            )
            if not is_ca:
                builder = builder.add_extension(
                    x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
                )
            return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

        (self.folder / "ca.crt").write_bytes(certificate("ca", ca_key, is_ca=True))
        revoked = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(now)
        signed = revoked.next_update(now + timedelta(days=1)).sign(ca_key, hashes.SHA256())
        (self.folder / "ca.crl").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        for name in ("server", "client"):
            # RSA, since a Gateway may ask for ciphers that only go with it.
            key = rsa.generate_private_key(65537, 2048)
            (self.folder / f"{name}.crt").write_bytes(certificate(name, key, is_ca=False))
            (self.folder / f"{name}.key").write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )

    def files(self, config: ProxyConfig) -> dict[str, str]:
        """Map each file that *config* names to one of these."""
        found: dict[str, str] = {}
        server = {
            secret.name: "server"
            for listener in config.listeners
            for chain in listener.filter_chains
            if chain.transport_socket is not None
            for secret in config.secrets
        }
        for secret in config.secrets:
            pair, trust = secret.tls_certificate, secret.validation_context
            role = server.get(secret.name, "client")
            if pair is not None and pair.certificate_chain is not None and pair.private_key is not None:
                found[pair.certificate_chain.filename or ""] = f"{self.folder}/{role}.crt"
                found[pair.private_key.filename or ""] = f"{self.folder}/{role}.key"
            if trust is not None and trust.trusted_ca is not None:
                found[trust.trusted_ca.filename or ""] = f"{self.folder}/ca.crt"
        asked = [_validation(cluster) for cluster in config.clusters]
        asked += [client_validation(context) for context in _downstream(config)]
        for default in asked:
            if default is not None and default.crl is not None:
                found[default.crl.filename or ""] = f"{self.folder}/ca.crl"
        return found


def _general_name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ip_address(name))
    return x509.DNSName(name)
