"""Certificates that every proxy of a case can work with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import DownstreamTlsContext

from bench.explain.clusters import upstream_context
from bench.explain.tracer import client_validation
from bench.istio.registry import Registry
from bench.translate import ProxyConfig
from bench.translate.messages import unpack
from tests.support.authority import Authority


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

    def issue(self, names: list[str]) -> Authority:
        """Write all files; give the authority that signed them."""
        authority = Authority(self.folder)
        authority.revoke_nothing()
        for name in ("server", "client"):
            # RSA, since a Gateway may ask for ciphers that only go with it.
            authority.issue(name, names, key=rsa.generate_private_key(65537, 2048))
        return authority

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
