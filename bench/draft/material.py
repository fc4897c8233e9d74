"""TLS of a draft: which files the configuration names, and which names nodes must have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import UpstreamTlsContext

from bench.istio.hosts import is_ip, is_wildcard
from bench.translate import ProxyConfig, unpack, upstream_http

_UNLIMITED = 2**32 - 1
"""As istiod writes that there is no limit."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a proxy speaks to a destination."""

    tls: Literal["none", "simple", "mutual"] = "none"
    """``mutual`` where it presents a certificate."""
    is_http2: bool = False
    most_connections: int | None = None
    """The fewest requests at once, of connections, requests and what waits, that its pool lets through."""
    names: tuple[str, ...] = ()
    """Names that it asks for, or of which the certificate must have one."""


def files_to_make(configs: Iterable[ProxyConfig]) -> dict[str, str]:
    """Give each file that the configurations name -> which of the suite's own it represents."""
    found: dict[str, str] = {}
    for config in configs:
        for secret in config.secrets:
            if (pair := secret.tls_certificate) is not None:
                if pair.certificate_chain is not None and pair.certificate_chain.filename:
                    found[pair.certificate_chain.filename] = "client.crt"
                if pair.private_key is not None and pair.private_key.filename:
                    found[pair.private_key.filename] = "client.key"
            trust = secret.validation_context
            if trust is not None and trust.trusted_ca is not None and trust.trusted_ca.filename:
                found.setdefault(trust.trusted_ca.filename, "ca.crt")
    return found


def spoken_to(found: Cluster) -> Spoken:
    """Give what a proxy speaks to the endpoints of its cluster."""
    is_http2 = upstream_http(found) == "http/2"
    socket = found.transport_socket
    context = unpack(socket.typed_config) if socket is not None else None
    if not isinstance(context, UpstreamTlsContext):
        # A wrapper, such as the PROXY protocol's: what is inside is not looked at.
        return Spoken("none" if socket is None else "mutual", is_http2, _pool(found))
    common = context.common_tls_context
    presents = common is not None and bool(common.tls_certificate_sds_secret_configs)
    return Spoken(
        "mutual" if presents else "simple", is_http2, _pool(found), tuple(dict.fromkeys(_names(context)))
    )


def _pool(cluster: Cluster) -> int | None:
    thresholds = cluster.circuit_breakers.thresholds if cluster.circuit_breakers is not None else ()
    limits = [
        limit
        for each in thresholds
        for limit in (each.max_connections, each.max_requests)
        if limit is not None and limit < _UNLIMITED
    ]
    return max(1, min(limits)) if limits else None


def _names(context: UpstreamTlsContext) -> Iterator[str]:
    if context.sni:
        yield context.sni
    common = context.common_tls_context
    combined = common.combined_validation_context if common is not None else None
    checks = combined.default_validation_context if combined is not None else None
    for each in checks.match_typed_subject_alt_names if checks is not None else ():
        if each.matcher is not None and (each.matcher.exact or each.matcher.prefix):
            yield each.matcher.exact or each.matcher.prefix or ""


def typed_names(names: Iterable[str]) -> list[str]:
    """Write *names* as a scenario does: ``DNS:…``, ``IP:…``, ``URI:…``; what no certificate can have goes."""
    found: dict[str, None] = {}
    for name in names:
        bare = name.strip("[]").rstrip(".")
        if "://" in name:
            found[f"URI:{name}"] = None
        elif is_ip(bare):
            found[f"IP:{bare}"] = None
        elif bare and bare != "*" and (not is_wildcard(bare) or bare.count("*") == 1):
            found[f"DNS:{bare.lower()}"] = None
    return list(found)
