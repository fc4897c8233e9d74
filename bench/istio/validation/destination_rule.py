"""What is accepted as a DestinationRule.

Source: the CEL rules of the custom resource definition, and istio ``ValidateDestinationRule``.
"""

from __future__ import annotations

from bench.istio.hosts import is_ip
from bench.istio.models import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    DestinationRule,
    HTTPSettings,
    OutlierDetection,
    PortTrafficPolicy,
    TCPSettings,
    TrafficPolicy,
    TunnelSettings,
    WorkloadSelector,
)
from bench.istio.validation.export_to import check_export_to
from bench.istio.validation.findings import Findings
from bench.istio.validation.load_balancer import check_load_balancer
from bench.istio.validation.names import (
    check_dns_label,
    check_fqdn,
    check_labels,
    check_wildcard_domain,
)
from bench.istio.validation.ports import check_duration, check_port, check_whole_percent, refuse_durations

_CONFIG_MAP = "configmap://"
_TUNNEL_PROTOCOLS = ("", "CONNECT", "POST")
_MILLISECOND_NS = 1_000_000


def check_schema(rule: DestinationRule, findings: Findings) -> None:
    """Collect what the API server refuses beyond types and bounds."""
    if rule.workload_selector is not None:
        for key, value in rule.workload_selector.match_labels.items():
            path = ("workloadSelector", "matchLabels", key)
            if "*" in key or "*" in value:
                findings.refuse("a selector has no star", *path, stage="schema")
            if not key:
                findings.refuse("a selector key is not empty", *path, stage="schema")


def check_destination_rule(rule: DestinationRule, namespace: str, findings: Findings) -> None:
    """Collect what istiod refuses."""
    findings.refuse(check_wildcard_domain(rule.host), "host")
    if rule.traffic_policy is not None:
        _check_policy(rule.traffic_policy, namespace, findings.within("trafficPolicy"))
    names: set[str] = set()
    for index, subset in enumerate(rule.subsets):
        inner = findings.within("subsets", index)
        if subset.name in names:
            inner.refuse(f'the subset name "{subset.name}" is repeated', "name")
        names.add(subset.name)
        inner.refuse(check_dns_label(subset.name, "subset name"), "name")
        check_labels(subset.labels, inner.within("labels"))
        if subset.traffic_policy is not None:
            _check_policy(subset.traffic_policy, namespace, inner.within("trafficPolicy"))
    check_export_to(rule.export_to, namespace, findings, has_selector=rule.workload_selector is not None)
    _warn_about_selector(rule.workload_selector, findings)


def _warn_about_selector(selector: WorkloadSelector | None, findings: Findings) -> None:
    if selector is not None and not selector.match_labels:
        findings.warn("a selector without labels selects every workload", "workloadSelector")


def _check_policy(policy: TrafficPolicy, namespace: str, findings: Findings) -> None:
    if not (
        policy.outlier_detection
        or policy.connection_pool
        or policy.load_balancer
        or policy.tls
        or policy.port_level_settings
        or policy.tunnel
        or policy.proxy_protocol
        or policy.retry_budget
    ):
        findings.refuse("a traffic policy has at least one field")
        return
    if policy.tunnel is not None and policy.proxy_protocol is not None:
        findings.refuse("only one of tunnel and proxyProtocol may be set", "tunnel")
    _check_settings(policy, namespace, findings)
    for index, settings in enumerate(policy.port_level_settings):
        inner = findings.within("portLevelSettings", index)
        if settings.port is None:
            inner.refuse("a port is required")
        if settings.outlier_detection or settings.connection_pool or settings.load_balancer or settings.tls:
            _check_settings(settings, namespace, inner)
        else:
            inner.refuse("the settings of a port have at least one field")
    if policy.tunnel is not None:
        _check_tunnel(policy.tunnel, findings.within("tunnel"))


def _check_settings(policy: TrafficPolicy | PortTrafficPolicy, namespace: str, findings: Findings) -> None:
    if policy.outlier_detection is not None:
        _check_outlier(policy.outlier_detection, findings.within("outlierDetection"))
    if policy.connection_pool is not None:
        _check_pool(policy.connection_pool, findings.within("connectionPool"))
    check_load_balancer(policy.load_balancer, policy.outlier_detection, findings.within("loadBalancer"))
    if policy.tls is not None:
        _check_tls(policy.tls, namespace, findings.within("tls"))


def _check_outlier(outlier: OutlierDetection, findings: Findings) -> None:
    refuse_durations(findings, baseEjectionTime=outlier.base_ejection_time, interval=outlier.interval)
    if outlier.consecutive_errors:
        findings.warn(
            "is deprecated; write consecutiveGatewayErrors or consecutive5xxErrors", "consecutiveErrors"
        )
    if outlier.consecutive_local_origin_failures and not outlier.split_external_local_origin_errors:
        findings.refuse("needs splitExternalLocalOriginErrors: true", "consecutiveLocalOriginFailures")
    findings.refuse(check_whole_percent(outlier.max_ejection_percent), "maxEjectionPercent")
    findings.refuse(check_whole_percent(outlier.min_health_percent), "minHealthPercent")


def _check_pool(pool: ConnectionPoolSettings, findings: Findings) -> None:
    if pool.http is None and pool.tcp is None:
        findings.refuse("a connection pool has tcp or http")
    if pool.http is not None:
        _check_http(pool.http, findings.within("http"))
    if pool.tcp is not None:
        _check_tcp(pool.tcp, findings.within("tcp"))


def _check_http(http: HTTPSettings, findings: Findings) -> None:
    for field, limit in (
        ("http1MaxPendingRequests", http.http1_max_pending_requests),
        ("http2MaxRequests", http.http2_max_requests),
        ("maxRequestsPerConnection", http.max_requests_per_connection),
        ("maxRetries", http.max_retries),
        ("maxConcurrentStreams", http.max_concurrent_streams),
    ):
        if limit < 0:
            findings.refuse(f"{limit} must not be negative", field)
    refuse_durations(findings, idleTimeout=http.idle_timeout)
    if http.h2_upgrade_policy == "UPGRADE" and http.use_client_protocol:
        findings.refuse("excludes h2UpgradePolicy: UPGRADE", "useClientProtocol")
    if http.http2_keep_alive is not None:
        keep_alive = http.http2_keep_alive
        inner = findings.within("http2KeepAlive")
        if keep_alive.interval is None:
            inner.refuse("an interval is required", "interval")
        if keep_alive.timeout is None:
            inner.refuse("a timeout is required", "timeout")
        refuse_durations(inner, interval=keep_alive.interval, timeout=keep_alive.timeout)


def _check_tcp(tcp: TCPSettings, findings: Findings) -> None:
    if tcp.max_connections < 0:
        findings.refuse(f"{tcp.max_connections} must not be negative", "maxConnections")
    refuse_durations(
        findings, connectTimeout=tcp.connect_timeout, maxConnectionDuration=tcp.max_connection_duration
    )
    # Less than a millisecond in either direction switches the timeout off.
    if tcp.idle_timeout is not None and abs(tcp.idle_timeout.nanoseconds) >= _MILLISECOND_NS:
        findings.refuse(check_duration(tcp.idle_timeout), "idleTimeout")
    if tcp.tcp_keepalive is not None:
        inner = findings.within("tcpKeepalive")
        refuse_durations(inner, time=tcp.tcp_keepalive.time, interval=tcp.tcp_keepalive.interval)


def _check_tls(tls: ClientTLSSettings, namespace: str, findings: Findings) -> None:
    findings.refuse(_check_config_map(tls.credential_name, namespace), "credentialName")
    if tls.insecure_skip_verify:
        verifies = bool(tls.ca_certificates or tls.subject_alt_names)
        if tls.mode == "SIMPLE" and (verifies or tls.credential_name):
            findings.refuse(
                "excludes caCertificates, credentialName and subjectAltNames", "insecureSkipVerify"
            )
        if tls.mode == "MUTUAL" and verifies:
            findings.refuse("excludes caCertificates and subjectAltNames", "insecureSkipVerify")
    if tls.mode in ("SIMPLE", "MUTUAL") and tls.credential_name:
        if tls.client_certificate or tls.ca_certificates or tls.private_key or tls.ca_crl:
            findings.refuse("excludes certificate, key, CA and CRL files", "credentialName")
    elif tls.mode == "MUTUAL":
        if not tls.client_certificate:
            findings.refuse("mode MUTUAL needs a client certificate", "clientCertificate")
        if not tls.private_key:
            findings.refuse("mode MUTUAL needs a private key", "privateKey")


def _check_config_map(credential: str, namespace: str) -> str | None:
    if not credential.startswith(_CONFIG_MAP):
        return None
    parts = credential.removeprefix(_CONFIG_MAP).split("/")
    if len(parts) < 2 or not parts[0] or not parts[1]:
        return f'"{credential}" does not follow {_CONFIG_MAP}NAMESPACE/NAME'
    if parts[0] != namespace:
        return f'"{credential}": a config map must be in the own namespace, {namespace}'
    return None


def _check_tunnel(tunnel: TunnelSettings, findings: Findings) -> None:
    if tunnel.protocol not in _TUNNEL_PROTOCOLS:
        findings.refuse(f'"{tunnel.protocol}" must be CONNECT or POST', "protocol")
    if check_fqdn(tunnel.target_host) is not None and not is_ip(tunnel.target_host):
        findings.refuse(f'"{tunnel.target_host}" is neither a DNS name nor an IP address', "targetHost")
    findings.refuse(check_port(tunnel.target_port), "targetPort")
