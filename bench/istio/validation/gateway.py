"""What istiod accepts as a Gateway. Source: istio ``ValidateGateway``."""

from __future__ import annotations

from bench.istio.hosts import is_ip
from bench.istio.models import Gateway, Port, Server, ServerTLSSettings
from bench.istio.validation.findings import Findings
from bench.istio.validation.names import (
    UNIX_PREFIX,
    check_dns_label,
    check_ip_address,
    check_partial_wildcard,
    check_unix_path,
    check_wildcard_domain,
)
from bench.istio.validation.ports import KNOWN_PROTOCOLS, check_port, protocol_family

_CIPHERS = frozenset(
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    ]
)
_OLD_VERSIONS = ("TLSV1_0", "TLSV1_1")
_PASSING_MODES = ("PASSTHROUGH", "AUTO_PASSTHROUGH")


def check_gateway(gateway: Gateway, name: str, findings: Findings) -> None:
    """Collect what istiod refuses of *gateway* with this *name*."""
    findings.at("metadata", "name").refuse(check_dns_label(name, "gateway name"))
    if not gateway.servers:
        findings.refuse("a gateway has at least one server", "servers")
    port_names: set[str] = set()
    for index, server in enumerate(gateway.servers):
        inner = findings.within("servers", index)
        _check_server(server, inner)
        if server.port.name in port_names:
            inner.refuse(f'the port name "{server.port.name}" is taken by another server', "port", "name")
        port_names.add(server.port.name)
        redirects = server.tls is not None and server.tls.https_redirect
        if redirects and protocol_family(server.port.protocol) != "http":
            inner.warn("httpsRedirect is for HTTP servers only", "tls", "httpsRedirect")


def _check_server(server: Server, findings: Findings) -> None:
    if not server.hosts:
        findings.refuse("a server has at least one host", "hosts")
    for index, host in enumerate(server.hosts):
        _check_host(host, findings.within("hosts", index))
    before = len(findings.refusals)
    _check_port(server.port, server.bind, findings.within("port"))
    port_is_good = len(findings.refusals) == before
    _check_bind(server, findings)
    if server.tls is not None:
        _check_tls(server.tls, findings.within("tls"))
    if port_is_good:
        _check_tls_fits(server, findings)


def _check_host(host: str, findings: Findings) -> None:
    namespace, slash, name = host.partition("/")
    if not slash:
        namespace, name = "*", host
    elif not namespace or not name:
        findings.refuse(f'"{host}": both the namespace and the name must be there')
    if namespace not in ("*", "."):
        findings.refuse(check_dns_label(namespace, "namespace"))
    if name != "*" and "." not in name:
        findings.refuse(f'"{name}": short names are not allowed here')
    if not is_ip(name):
        findings.refuse(check_wildcard_domain(name))
    findings.refuse(check_partial_wildcard(name))


def _check_port(port: Port, bind: str, findings: Findings) -> None:
    if protocol_family(port.protocol) is None:
        findings.refuse(f'"{port.protocol}" is not a known protocol; known: {KNOWN_PROTOCOLS}', "protocol")
    if port.number > 0 or not bind.startswith(UNIX_PREFIX):
        findings.refuse(check_port(port.number), "number")
    if port.target_port > 0:
        findings.refuse("a target port has no effect on a Gateway", "targetPort")
    if not port.name:
        findings.refuse("a server port has a name", "name")


def _check_bind(server: Server, findings: Findings) -> None:
    if server.bind.startswith(UNIX_PREFIX):
        findings.refuse(check_unix_path(server.bind.removeprefix(UNIX_PREFIX)), "bind")
        if server.port.number != 0:
            findings.refuse("a server on a socket has port number 0", "port", "number")
    elif server.bind:
        findings.refuse(check_ip_address(server.bind), "bind")


def _check_tls_fits(server: Server, findings: Findings) -> None:
    family, tls = protocol_family(server.port.protocol), server.tls
    if family == "tls":
        if tls is None:
            findings.refuse(f"a server with protocol {server.port.protocol} has tls settings")
    elif tls is None:
        return
    elif family != "http":
        findings.refuse(f"a server with protocol {server.port.protocol} has no tls settings", "tls")
    elif tls.mode not in _PASSING_MODES or tls.ca_certificates or tls.private_key or tls.server_certificate:
        findings.refuse("of tls, a plain HTTP server may only have httpsRedirect", "tls")


def _check_tls(tls: ServerTLSSettings, findings: Findings) -> None:
    if "credential_names" in tls.model_fields_set:
        for written, field in (
            ("tls_certificates", "tlsCertificates"),
            ("credential_name", "credentialName"),
        ):
            if written in tls.model_fields_set:
                findings.refuse(f"only one of {field} and credentialNames may be set", stage="schema")
    _warn_about_ciphers(tls, findings)
    if tls.mode == "ISTIO_MUTUAL":
        for name, field in (
            (tls.server_certificate, "serverCertificate"),
            (tls.private_key, "privateKey"),
            (tls.ca_certificates, "caCertificates"),
            (tls.tls_certificates, "tlsCertificates"),
            (tls.credential_name, "credentialName"),
            (tls.credential_names, "credentialNames"),
        ):
            if name:
                findings.refuse("ISTIO_MUTUAL has the workload's own certificates", field)
        return
    has_credential = bool(tls.credential_name or tls.credential_names)
    if tls.mode in _PASSING_MODES and (
        tls.ca_crl
        or tls.server_certificate
        or tls.private_key
        or tls.ca_certificates
        or tls.tls_certificates
        or has_credential
    ):
        findings.warn(f"{tls.mode} does not use certificates")
    sources = (
        bool(tls.server_certificate and tls.private_key),
        bool(tls.credential_name),
        bool(tls.credential_names),
        bool(tls.tls_certificates),
    )
    if sum(sources) > 1:
        findings.refuse(
            "only one of credentialName, credentialNames, serverCertificate with privateKey, and "
            "tlsCertificates may be set"
        )
    if tls.mode in _PASSING_MODES or not has_credential:
        _check_files(tls, findings)


def _check_files(tls: ServerTLSSettings, findings: Findings) -> None:
    if tls.mode not in _PASSING_MODES:
        if tls.mode != "SIMPLE" and not tls.ca_certificates:
            findings.refuse(f"{tls.mode} needs the CA of the clients", "caCertificates")
        for index, certificate in enumerate(tls.tls_certificates):
            inner = findings.within("tlsCertificates", index)
            _check_pair(tls.mode, certificate.server_certificate, certificate.private_key, inner)
        if not tls.tls_certificates:
            _check_pair(tls.mode, tls.server_certificate, tls.private_key, findings)
    if tls.ca_crl:
        if tls.credential_name:
            findings.refuse("a CRL belongs into the credential", "caCrl")
        if tls.mode == "SIMPLE":
            findings.refuse("SIMPLE does not use a CRL", "caCrl")


def _check_pair(mode: str, certificate: str, key: str, findings: Findings) -> None:
    if not certificate:
        findings.refuse(f"{mode} needs a server certificate", "serverCertificate")
    if not key:
        findings.refuse(f"{mode} needs a private key", "privateKey")


def _warn_about_ciphers(tls: ServerTLSSettings, findings: Findings) -> None:
    if tls.min_protocol_version in _OLD_VERSIONS and not tls.cipher_suites:
        findings.warn(
            "TLS below 1.2 needs ciphers that are no longer among the defaults", "minProtocolVersion"
        )
    seen: set[str] = set()
    for index, cipher in enumerate(tls.cipher_suites):
        # An expression such as +AES or [A|B] is passed on as it is.
        if cipher not in _CIPHERS and cipher not in ("", "ALL") and cipher[:1].isalnum():
            findings.warn(f'the cipher "{cipher}" is unknown and ignored', "cipherSuites", index)
        elif cipher in seen:
            findings.warn(f'the cipher "{cipher}" is repeated', "cipherSuites", index)
        seen.add(cipher)
