"""What a cluster does with a request: endpoints, TLS and limits, read from the translated messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import TransportSocket
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, LbEndpoint
from envoy_data_plane.envoy.extensions.transport_sockets.proxy_protocol.v3 import (
    ProxyProtocolUpstreamTransport,
)
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CommonTlsContext,
    Secret,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import HttpProtocolOptions

from bench.explain.trace import Endpoint
from bench.istio.hosts import is_ip
from bench.translate import DYNAMIC_TYPE, HTTP_OPTIONS, ProxyConfig, unpack

UNLIMITED = 4_294_967_295


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """How a cluster speaks TLS."""

    sni: str
    """As configured; empty when it follows the Host header or when none is sent."""
    follows_host: bool
    """SNI is taken from the Host header."""
    checks_host: bool
    """The certificate must be for the Host header."""
    names: tuple[str, ...]
    """Names of which the certificate must have one."""
    ca: str
    """File of the trust bundle; empty: any certificate is accepted."""
    certificate: str
    """File of the client certificate; empty: none is presented."""
    is_verified: bool

    def sent_sni(self, host: str | None) -> str:
        """Give the SNI that is sent for a request with that *host*, None for bytes that are passed on."""
        if self.sni or not self.follows_host or host is None or is_ip(host.strip("[]")):
            return self.sni
        return host

    def demanded_names(self, host: str | None) -> tuple[tuple[str, ...], ...]:
        """Give groups of names of each of which the certificate must have one, for a *host* as above."""
        if not self.is_verified:
            return ()
        groups = [self.names] if self.names else []
        if self.checks_host and host is not None:
            groups.append((host.strip("[]"),))
        return tuple(dict.fromkeys(groups))


class Clusters:
    """The clusters of one proxy by name, with their endpoints."""

    def __init__(self, config: ProxyConfig) -> None:
        self._by_name = {cluster.name: cluster for cluster in config.clusters}
        self._assignments = {each.cluster_name: each for each in config.endpoints}
        self._secrets = {secret.name: secret for secret in config.secrets}

    def find(self, name: str) -> Cluster | None:
        """Give the cluster *name*."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self._by_name.values())

    def assignment(self, cluster: Cluster) -> ClusterLoadAssignment | None:
        """Give the endpoints, wherever they come from."""
        if cluster.type is ClusterDiscoveryType.EDS and cluster.eds_cluster_config is not None:
            return self._assignments.get(cluster.eds_cluster_config.service_name or cluster.name)
        return cluster.load_assignment

    def endpoints(self, cluster: Cluster) -> tuple[Endpoint, ...]:
        """Give the endpoints that take traffic while all are healthy: those of the first priority."""
        assignment = self.assignment(cluster)
        groups = (
            [group for group in assignment.endpoints if group.lb_endpoints] if assignment is not None else []
        )
        if not groups:
            return ()
        first = min(group.priority or 0 for group in groups)
        return tuple(
            Endpoint(address_of(endpoint), endpoint.load_balancing_weight or 1)
            for group in groups
            if (group.priority or 0) == first
            for endpoint in group.lb_endpoints
        )

    def tls(self, cluster: Cluster) -> UpstreamTls | None:
        """Say how the cluster speaks TLS; ``None`` is plain text."""
        context = upstream_context(cluster.transport_socket)
        if context is None:
            return None
        common = context.common_tls_context or CommonTlsContext()
        follows, checks = _auto(cluster)
        names: list[str] = []
        ca, is_verified = "", False
        combined = common.combined_validation_context
        if combined is not None:
            is_verified = True
            default = combined.default_validation_context
            if default is not None:
                names = [
                    each.matcher.exact
                    for each in default.match_typed_subject_alt_names
                    if each.matcher is not None and each.matcher.exact is not None
                ]
            reference = combined.validation_context_sds_secret_config
            ca = self._trust(reference.name) if reference is not None else ""
        certificates = common.tls_certificate_sds_secret_configs
        return UpstreamTls(
            sni=context.sni or "",
            follows_host=follows and not context.sni,
            checks_host=checks and is_verified,
            names=tuple(names),
            ca=ca,
            certificate=self._certificate(certificates[0].name) if certificates else "",
            is_verified=is_verified,
        )

    def _trust(self, name: str) -> str:
        trust = self._secrets.get(name, Secret()).validation_context
        source = trust.trusted_ca if trust is not None else None
        return (source.filename or "") if source is not None else name

    def _certificate(self, name: str) -> str:
        pair = self._secrets.get(name, Secret()).tls_certificate
        source = pair.certificate_chain if pair is not None else None
        return (source.filename or "") if source is not None else name


def destination_of(cluster: Cluster) -> str | None:
    """Say where a cluster without endpoints sends connections; None for one that has endpoints."""
    if cluster.type is ClusterDiscoveryType.ORIGINAL_DST:
        port = upstream_port(cluster)
        return "wherever the client meant it to go" + (f", port {port}" if port else "")
    if cluster.cluster_type is not None and cluster.cluster_type.name == DYNAMIC_TYPE:
        return "whatever address DNS gives for the host that the client names"
    return None


def upstream_port(cluster: Cluster) -> int:
    """Give the port to which connections go that are sent on; 0: the one that they were meant for."""
    settings = cluster.original_dst_lb_config
    return (settings.upstream_port_override or 0) if settings is not None else 0


def address_of(endpoint: LbEndpoint) -> str:
    """Write the address of *endpoint* as ``host:port`` or as a path."""
    address = endpoint.endpoint.address if endpoint.endpoint is not None else None
    if address is None:
        return ""
    if address.pipe is not None:
        return written_address(f"unix://{address.pipe.path}", 0)
    socket = address.socket_address
    if socket is None:
        return ""
    return written_address(socket.address, socket.port_value or 0)


def written_address(address: str, port: int) -> str:
    """Write an address as ``host:port``, as ``[host]:port`` for IPv6, or as ``unix://`` and a path."""
    if address.startswith("unix://"):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def upstream_context(socket: TransportSocket | None) -> UpstreamTlsContext | None:
    """Give the TLS settings of a transport socket, also from within the PROXY protocol."""
    inner = unpack(socket.typed_config) if socket is not None else None
    if isinstance(inner, ProxyProtocolUpstreamTransport):
        return upstream_context(inner.transport_socket)
    return inner if isinstance(inner, UpstreamTlsContext) else None


def _auto(cluster: Cluster) -> tuple[bool, bool]:
    options = unpack(cluster.typed_extension_protocol_options.get(HTTP_OPTIONS))
    if not isinstance(options, HttpProtocolOptions) or options.upstream_http_protocol_options is None:
        return False, False
    upstream = options.upstream_http_protocol_options
    return bool(upstream.auto_sni), bool(upstream.auto_san_validation)


def limits(cluster: Cluster) -> list[str]:
    """Put the limits that are in force into words."""
    found: list[str] = []
    if cluster.connect_timeout is not None:
        found.append(f"connect timeout {cluster.connect_timeout.total_seconds():g} s")
    breakers = cluster.circuit_breakers
    for threshold in breakers.thresholds if breakers is not None else ():
        for field, words in (
            ("max_connections", "connections"),
            ("max_pending_requests", "pending requests"),
            ("max_requests", "requests at a time"),
            ("max_retries", "retries at a time"),
        ):
            value = getattr(threshold, field)
            if value is not None and value != UNLIMITED:
                found.append(f"at most {value} {words}")
    outlier = cluster.outlier_detection
    if outlier is not None:
        errors = outlier.consecutive_5xx or outlier.consecutive_gateway_failure
        interval = f" every {outlier.interval.total_seconds():g} s" if outlier.interval is not None else ""
        share = f", at most {outlier.max_ejection_percent} %" if outlier.max_ejection_percent else ""
        found.append(f"endpoints are ejected after {errors or 'no'} errors in a row{interval}{share}")
    return found
