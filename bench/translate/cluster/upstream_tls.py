"""TLS towards a service, and the PROXY protocol around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from envoy_data_plane.envoy.config.core.v3 import (
    DataSource,
    ProxyProtocolConfig,
    ProxyProtocolConfigVersion,
    TransportSocket,
)
from envoy_data_plane.envoy.extensions.transport_sockets.proxy_protocol.v3 import (
    ProxyProtocolUpstreamTransport,
)
from envoy_data_plane.envoy.extensions.transport_sockets.raw_buffer.v3 import RawBuffer
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    CommonTlsContext,
    CommonTlsContextCombinedCertificateValidationContext,
    SdsSecretConfig,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    TlsParameters,
    TlsParametersTlsProtocol,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher

from bench.errors import InputError, Position
from bench.istio.hosts import is_ip
from bench.istio.inventory import CredentialFiles
from bench.istio.models import ClientTLSSettings
from bench.translate.config import TlsMaterial
from bench.translate.messages import pack
from bench.translate.notices import Refusal, RefusedError
from bench.translate.semantics import Semantics
from bench.translate.tls_secrets import SYSTEM_ROOTS, SecretCollector

TLS_SOCKET = "envoy.transport_sockets.tls"
_ISTIO_ALPN = ("istio-peer-exchange", "istio")


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """How one cluster speaks TLS."""

    certificate: tuple[str, str] | None
    """Files of the client certificate and of its key."""
    ca: str | None
    """File of the trust bundle; None verifies nothing."""
    sni: str
    subject_alt_names: tuple[str, ...]
    crl: str
    alpn: tuple[str, ...]
    writes_versions: bool
    auto_sni: bool
    """Envoy takes SNI from the request's host."""
    auto_san: bool
    """Envoy compares the certificate with that host."""
    skips_verification: bool = False
    is_checked_by_name: bool = False
    """The host asked for must be in the certificate, unless names are written."""


def with_files(settings: ClientTLSSettings, secret: CredentialFiles) -> ClientTLSSettings:
    """Write the files of a secret in place of its name."""
    return settings.model_copy(
        update={
            "credential_name": "",
            "client_certificate": secret.certificate,
            "private_key": secret.private_key,
            "ca_certificates": secret.ca,
        }
    )


def upstream_tls(
    settings: ClientTLSSettings,
    *,
    semantics: Semantics,
    default_names: tuple[str, ...],
    is_external_service: bool,
    sni_of_mesh: str,
    is_http2: bool,
    material: TlsMaterial,
    locate: Callable[[], Position],
) -> UpstreamTls | None:
    """Decide how a cluster speaks TLS; None is plain text.

    ``default_names`` are the service's identities, which stand in for the rule's own names: always with
    ISTIO_MUTUAL, else where a ServiceEntry declares the service.
    An ``sni`` or own names switch the automatic ones off, so that with an ``sni`` and without
    ``subjectAltNames`` only the chain is verified and not the name (istio ``applyUpstreamTLSSettings``).

    Raises:
        UnsupportedError: certificates come from Kubernetes, or from an agent without stand-ins in *material*.
        InputError: MUTUAL without certificate and key, where istiod would quietly drop TLS.
    """
    if settings.mode == "DISABLE":
        return None
    if settings.mode == "ISTIO_MUTUAL":
        return _mesh_tls(
            settings,
            semantics,
            sni_of_mesh,
            default_names,
            is_http2=is_http2,
            material=material,
            locate=locate,
        )
    if settings.credential_name:
        raise RefusedError(
            Refusal.CREDENTIAL_NAME,
            locate,
            name=settings.credential_name,
            files="clientCertificate, privateKey",
        )
    certificate = None
    if settings.mode == "MUTUAL":
        if not settings.client_certificate or not settings.private_key:
            raise InputError(
                "tls mode MUTUAL needs clientCertificate and privateKey.",
                where=locate(),
                remedy="Name both files.",
            )
        certificate = (settings.client_certificate, settings.private_key)
    skips = bool(settings.insecure_skip_verify)
    names = settings.subject_alt_names or (default_names if is_external_service else ())
    ca = settings.ca_certificates or (SYSTEM_ROOTS if semantics.verify_by_default else None)
    return UpstreamTls(
        certificate=certificate,
        ca=None if skips else ca,
        sni=settings.sni,
        subject_alt_names=() if skips else names,
        crl=settings.ca_crl,
        alpn=("h2",) if is_http2 else (),
        writes_versions=semantics.tls_versions,
        auto_sni=semantics.auto_sni and not settings.sni,
        auto_san=semantics.auto_sni and not settings.sni and not settings.subject_alt_names and not skips,
        skips_verification=skips,
        is_checked_by_name=not settings.subject_alt_names and not skips,
    )


def _mesh_tls(
    settings: ClientTLSSettings,
    semantics: Semantics,
    sni: str,
    default_names: tuple[str, ...],
    *,
    is_http2: bool,
    material: TlsMaterial,
    locate: Callable[[], Position],
) -> UpstreamTls:
    chain, key, ca = material.workload_certificate, material.workload_private_key, material.workload_ca
    if chain is None or key is None or ca is None:
        raise RefusedError(Refusal.WORKLOAD_CERTIFICATES, locate)
    return UpstreamTls(
        certificate=(chain, key),
        ca=ca,
        sni=settings.sni or sni,
        subject_alt_names=settings.subject_alt_names or default_names,
        crl="",
        alpn=(*_ISTIO_ALPN, "h2") if is_http2 else _ISTIO_ALPN,
        writes_versions=semantics.tls_versions,
        auto_sni=False,
        auto_san=False,
    )


def collect_secrets(tls: UpstreamTls, secrets: SecretCollector) -> None:
    """Note the files that *tls* reads."""
    if tls.certificate is not None:
        secrets.certificate(*tls.certificate)
    if tls.ca is not None:
        secrets.trust(tls.ca)


@lru_cache(maxsize=4096)
def transport_socket(tls: UpstreamTls | None, proxy_protocol: str | None) -> TransportSocket | None:
    """Build the transport socket of a cluster; None is plain text. Equal settings share one message."""
    inner = None if tls is None else TransportSocket(name=TLS_SOCKET, typed_config=pack(_context(tls)))
    if proxy_protocol is None:
        return inner
    raw = TransportSocket(name="raw_buffer", typed_config=pack(RawBuffer()))
    wrapped = ProxyProtocolUpstreamTransport(
        config=ProxyProtocolConfig(version=ProxyProtocolConfigVersion[proxy_protocol]),
        transport_socket=inner if inner is not None else raw,
    )
    return TransportSocket(name="envoy.transport_sockets.upstream_proxy_protocol", typed_config=pack(wrapped))


def _context(tls: UpstreamTls) -> UpstreamTlsContext:
    common = CommonTlsContext(alpn_protocols=list(tls.alpn))
    if tls.writes_versions:
        common.tls_params = TlsParameters(
            tls_minimum_protocol_version=TlsParametersTlsProtocol.TLSv1_2,
            tls_maximum_protocol_version=TlsParametersTlsProtocol.TLSv1_3,
        )
    scratch = SecretCollector()
    if tls.certificate is not None:
        common.tls_certificate_sds_secret_configs = [scratch.certificate(*tls.certificate)]
    if tls.skips_verification:
        common.validation_context = CertificateValidationContext()
    elif tls.ca is not None:
        common.combined_validation_context = combined_validation(
            scratch.trust(tls.ca), tls.subject_alt_names, tls.crl
        )
    return UpstreamTlsContext(common_tls_context=common, sni=tls.sni)


def combined_validation(
    trust: SdsSecretConfig, names: tuple[str, ...], crl: str
) -> CommonTlsContextCombinedCertificateValidationContext:
    """Verify against the secret *trust*; one of *names* must be in the certificate."""
    return CommonTlsContextCombinedCertificateValidationContext(
        default_validation_context=CertificateValidationContext(
            match_typed_subject_alt_names=[matcher for name in names for matcher in san_matchers(name)],
            crl=DataSource(filename=crl) if crl else None,
        ),
        validation_context_sds_secret_config=trust,
    )


def san_matchers(name: str) -> list[SubjectAltNameMatcher]:
    """Match *name* as the type of subject alternative name that it obviously is.

    istiod still writes the deprecated matcher without a type.
    """
    if "://" in name:
        kind = SubjectAltNameMatcherSanType.URI
    elif is_ip(name):
        kind = SubjectAltNameMatcherSanType.IP_ADDRESS
    else:
        kind = SubjectAltNameMatcherSanType.DNS
    return [SubjectAltNameMatcher(san_type=kind, matcher=StringMatcher(exact=name))]
