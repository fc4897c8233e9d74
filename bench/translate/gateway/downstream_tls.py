"""TLS that a gateway ends."""

from __future__ import annotations

from envoy_data_plane.envoy.config.core.v3 import TransportSocket
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CommonTlsContext,
    CommonTlsContextCombinedCertificateValidationContext,
    DownstreamTlsContext,
    TlsParameters,
    TlsParametersTlsProtocol,
)

from bench.errors import InputError, Position
from bench.istio.inventory import CredentialFiles
from bench.istio.models import ServerTLSSettings
from bench.translate.cluster.upstream_tls import TLS_SOCKET, combined_validation
from bench.translate.context import Context
from bench.translate.gateway.servers import PlacedServer, is_http_server
from bench.translate.messages import pack
from bench.translate.notices import Notice, Refusal, RefusedError

_VERSIONS = {
    "TLS_AUTO": TlsParametersTlsProtocol.TLS_AUTO,
    "TLSV1_0": TlsParametersTlsProtocol.TLSv1_0,
    "TLSV1_1": TlsParametersTlsProtocol.TLSv1_1,
    "TLSV1_2": TlsParametersTlsProtocol.TLSv1_2,
    "TLSV1_3": TlsParametersTlsProtocol.TLSv1_3,
}
KNOWN_CIPHERS = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    }
)
"""What istiod lets through to Envoy; it leaves other names out quietly."""


def downstream_tls(context: Context, placed: PlacedServer) -> TransportSocket:
    """Build the transport socket of a server that ends TLS.

    Raises:
        UnsupportedError: certificates come from a Kubernetes secret or from an agent without stand-ins.
        InputError: there is no certificate.
    """
    settings = placed.server.tls
    if settings is None:
        raise InputError("a TLS server needs tls.", where=placed.where)
    pairs, ca = _files(context, settings, placed)
    common = CommonTlsContext(
        alpn_protocols=[*_alpn_of_mesh(settings, placed), "h2", "http/1.1"],
        tls_certificate_sds_secret_configs=[context.secrets.certificate(*pair) for pair in pairs],
        tls_params=_parameters(context, settings, placed),
    )
    if ca:
        common.combined_validation_context = _validation(context, settings, ca)
    return TransportSocket(
        name=TLS_SOCKET,
        typed_config=pack(
            DownstreamTlsContext(
                common_tls_context=common,
                require_client_certificate=settings.mode in {"MUTUAL", "ISTIO_MUTUAL"},
            )
        ),
    )


def _alpn_of_mesh(settings: ServerTLSSettings, placed: PlacedServer) -> tuple[str, ...]:
    """TCP over the mesh's own TLS is distinguished by ALPN (istio ``ALPNDownstreamWithMxc``)."""
    is_tcp = settings.mode == "ISTIO_MUTUAL" and not is_http_server(placed.server)
    return ("istio-peer-exchange",) if is_tcp else ()


def _files(
    context: Context, settings: ServerTLSSettings, placed: PlacedServer
) -> tuple[list[tuple[str, str]], str]:
    where = placed.gateway.position(("spec", "servers", placed.index, "tls"))
    if settings.mode == "ISTIO_MUTUAL":
        material = context.material
        if not (material.workload_certificate and material.workload_private_key and material.workload_ca):
            raise RefusedError(Refusal.WORKLOAD_CERTIFICATES, where)
        return [(material.workload_certificate, material.workload_private_key)], material.workload_ca
    verifies = settings.mode in {"MUTUAL", "OPTIONAL_MUTUAL"}
    named = settings.credential_names or ([settings.credential_name] if settings.credential_name else [])
    if named:
        secrets = [_server_secret(context, name, where) for name in named]
        pairs = [(each.certificate, each.private_key) for each in secrets]
        return pairs, _trust(context, settings, where) if verifies else ""
    pairs = [(each.server_certificate, each.private_key) for each in settings.tls_certificates]
    if not pairs:
        pairs = [(settings.server_certificate, settings.private_key)]
    if not all(chain and key for chain, key in pairs):
        raise InputError(
            f"tls mode {settings.mode} needs serverCertificate and privateKey.",
            where=where,
            remedy="Name both files.",
        )
    if verifies and settings.ca_cert_credential_name:
        return pairs, _trust(context, settings, where)
    return pairs, settings.ca_certificates if verifies else ""


def _secret(context: Context, name: str, where: Position) -> CredentialFiles:
    found = context.view.registry.inventory.credential(name)
    if found is None:
        raise RefusedError(Refusal.CREDENTIAL_NAME, where, name=name, files="serverCertificate, privateKey")
    return found


def _server_secret(context: Context, name: str, where: Position) -> CredentialFiles:
    found = _secret(context, name, where)
    if not found.certificate:
        raise RefusedError(Refusal.CREDENTIAL_NAME, where, name=name, files="serverCertificate, privateKey")
    return found


def _trust(context: Context, settings: ServerTLSSettings, where: Position) -> str:
    """Whose clients are let in: a secret of its own, which may be named, or that of the certificate.

    Istio: ``ApplyCredentialSDSToServerCommonTLSContext``, and ``GetCaCert`` of the secrets' controller.
    """
    name = settings.ca_cert_credential_name or settings.credential_name or settings.credential_names[0]
    return _secret(context, name, where).ca


def _validation(
    context: Context, settings: ServerTLSSettings, ca: str
) -> CommonTlsContextCombinedCertificateValidationContext:
    combined = combined_validation(context.secrets.trust(ca), settings.subject_alt_names, settings.ca_crl)
    default = combined.default_validation_context
    if default is not None:
        default.verify_certificate_spki = list(settings.verify_certificate_spki)
        default.verify_certificate_hash = list(settings.verify_certificate_hash)
    return combined


def _parameters(context: Context, settings: ServerTLSSettings, placed: PlacedServer) -> TlsParameters | None:
    ciphers = list(dict.fromkeys(name for name in settings.cipher_suites if name in KNOWN_CIPHERS))
    for name in settings.cipher_suites:
        if name not in KNOWN_CIPHERS:
            where = placed.gateway.position(("spec", "servers", placed.index, "tls", "cipherSuites"))
            context.warn(Notice.CIPHER_LEFT_OUT, where, cipher=name)
    lowest, highest = _VERSIONS[settings.min_protocol_version], _VERSIONS[settings.max_protocol_version]
    if not ciphers and not lowest and not highest:
        return None
    return TlsParameters(
        tls_minimum_protocol_version=lowest, tls_maximum_protocol_version=highest, cipher_suites=ciphers
    )
