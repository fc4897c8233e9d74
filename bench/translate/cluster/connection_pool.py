"""Limits, timeouts and HTTP options of upstream connections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Literal

from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    CircuitBreakersThresholdsRetryBudget,
    Cluster,
    UpstreamConnectionOptions,
)
from envoy_data_plane.envoy.config.core.v3 import (
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    KeepaliveSettings,
    TcpKeepalive,
    UpstreamHttpProtocolOptions,
)
from envoy_data_plane.envoy.config.core.v3 import HttpProtocolOptions as CommonHttpProtocolOptions
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
    HttpProtocolOptionsUseDownstreamHttpConfig,
)
from envoy_data_plane.envoy.type.v3 import Percent
from envoy_data_plane.google.protobuf import Any as ProtobufAny

from bench.istio.models import ConnectionPoolSettings, Duration, RetryBudget, TCPKeepalive
from bench.istio.registry import Protocol
from bench.translate.messages import pack, unpack

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(slots=True)
class UpstreamHttp:
    """What ``HttpProtocolOptions`` of a cluster will say; written only if there is something to say."""

    http2: Http2ProtocolOptions | None = None
    follows_client: bool = False
    common: CommonHttpProtocolOptions | None = None
    auto_sni: bool = False
    auto_san: bool = False

    def message(self) -> HttpProtocolOptions | None:
        """Build the message; None leaves Envoy's default, HTTP/1.1.

        Envoy demands one of the protocol choices, so HTTP/1.1 is written out beside other options.
        """
        auto = None
        if self.auto_sni or self.auto_san:
            auto = UpstreamHttpProtocolOptions(auto_sni=self.auto_sni, auto_san_validation=self.auto_san)
        if self.http2 is None and not self.follows_client and self.common is None and auto is None:
            return None
        if self.follows_client:
            return HttpProtocolOptions(
                common_http_protocol_options=self.common,
                upstream_http_protocol_options=auto,
                use_downstream_protocol_config=HttpProtocolOptionsUseDownstreamHttpConfig(
                    http_protocol_options=Http1ProtocolOptions(),
                    http2_protocol_options=Http2ProtocolOptions(),
                ),
            )
        explicit = (
            HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=self.http2)
            if self.http2 is not None
            else HttpProtocolOptionsExplicitHttpConfig(http_protocol_options=Http1ProtocolOptions())
        )
        return HttpProtocolOptions(
            common_http_protocol_options=self.common,
            upstream_http_protocol_options=auto,
            explicit_http_config=explicit,
        )


@lru_cache(maxsize=8)
def _packed_simple(
    *, http2: bool, follows_client: bool, auto_sni: bool, auto_san: bool
) -> ProtobufAny | None:
    """Thousands of clusters share a handful of these: build each once."""
    options = UpstreamHttp(
        http2=Http2ProtocolOptions() if http2 else None,
        follows_client=follows_client,
        auto_sni=auto_sni,
        auto_san=auto_san,
    ).message()
    return None if options is None else pack(options)


def packed_http_options(http: UpstreamHttp) -> dict[str, ProtobufAny]:
    """Give the cluster's ``typed_extension_protocol_options``."""
    if http.common is None and (http.http2 is None or not http.http2):
        packed = _packed_simple(
            http2=http.http2 is not None,
            follows_client=http.follows_client,
            auto_sni=http.auto_sni,
            auto_san=http.auto_san,
        )
    else:
        options = http.message()
        packed = None if options is None else pack(options)
    return {} if packed is None else {HTTP_OPTIONS: packed}


def plain_http_options() -> HttpProtocolOptions:
    """Give the options of a cluster that has nothing to say but must say something: HTTP/1.1."""
    return HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
            http_protocol_options=Http1ProtocolOptions()
        )
    )


def initial_http(protocol: Protocol, *, is_sidecar: bool) -> UpstreamHttp:
    """Start from the port's protocol: HTTP/2 by name, or what the client speaks where that is unknown."""
    if protocol.is_http2:
        return UpstreamHttp(http2=Http2ProtocolOptions())
    return UpstreamHttp(follows_client=protocol is Protocol.UNKNOWN and is_sidecar)


def apply_pool(http: UpstreamHttp, pool: ConnectionPoolSettings) -> None:
    """Add a rule's connection pool to the cluster's HTTP options.

    ``http.idleTimeout`` beats ``tcp.idleTimeout``. HTTP/2 settings only reach what is HTTP/2 already: the
    protocol upgrade comes after them (istio ``applyConnectionPool``, then ``applyH2Upgrade``).
    """
    web, tcp = pool.http, pool.tcp
    idle = _span(web.idle_timeout if web is not None else None) or _span(
        tcp.idle_timeout if tcp is not None else None
    )
    if idle is None and tcp is not None and tcp.idle_timeout is not None:
        idle = tcp.idle_timeout.timedelta
    longest = _span(tcp.max_connection_duration if tcp is not None else None)
    per_connection = web.max_requests_per_connection if web is not None else 0
    streams = web.max_concurrent_streams if web is not None else 0
    keep_alive = web.http2_keep_alive if web is not None else None
    if idle is not None or longest is not None or per_connection > 0 or streams > 0 or keep_alive is not None:
        http.common = CommonHttpProtocolOptions(
            idle_timeout=idle,
            max_connection_duration=longest,
            max_requests_per_connection=per_connection if per_connection > 0 else None,
        )
    if http.http2 is not None and (streams > 0 or keep_alive is not None):
        http.http2 = Http2ProtocolOptions(
            max_concurrent_streams=streams if streams > 0 else None,
            connection_keepalive=None
            if keep_alive is None
            else KeepaliveSettings(interval=_span(keep_alive.interval), timeout=_span(keep_alive.timeout)),
        )
    if web is None:
        return
    if web.use_client_protocol:
        http.follows_client, http.http2 = True, None
    if web.h2_upgrade_policy == "UPGRADE":
        http.follows_client = False
        http.http2 = Http2ProtocolOptions()


def circuit_breakers(
    pool: ConnectionPoolSettings | None, budget: RetryBudget | None, default_limit: int | None
) -> CircuitBreakers:
    """Build the circuit breakers; a limit of zero counts as not written."""
    tcp = pool.tcp if pool is not None else None
    web = pool.http if pool is not None else None
    return _circuit_breakers(
        _limit(tcp.max_connections if tcp is not None else 0, default_limit),
        _limit(web.http1_max_pending_requests if web is not None else 0, default_limit),
        _limit(web.http2_max_requests if web is not None else 0, default_limit),
        _limit(web.max_retries if web is not None else 0, default_limit),
        None if budget is None else (budget.percent, budget.min_retry_concurrency),
    )


def _limit(written: int, default: int | None) -> int | None:
    return written if written > 0 else default


@lru_cache(maxsize=1024)
def _circuit_breakers(
    connections: int | None,
    pending: int | None,
    requests: int | None,
    retries: int | None,
    budget: tuple[float | None, int] | None,
) -> CircuitBreakers:
    retry_budget = None
    if budget is not None:
        percent, concurrency = budget
        retry_budget = CircuitBreakersThresholdsRetryBudget(
            budget_percent=Percent(value=20.0 if percent is None else percent),
            min_retry_concurrency=concurrency or 3,
        )
    return CircuitBreakers(
        thresholds=[
            CircuitBreakersThresholds(
                max_connections=connections,
                max_pending_requests=pending,
                max_requests=requests,
                max_retries=retries,
                retry_budget=retry_budget,
            )
        ]
    )


def connect_timeout(pool: ConnectionPoolSettings | None, default: timedelta) -> timedelta:
    """Give the time that a TCP connection may take."""
    tcp = pool.tcp if pool is not None else None
    return default if tcp is None or tcp.connect_timeout is None else tcp.connect_timeout.timedelta


def connection_options(pool: ConnectionPoolSettings | None) -> UpstreamConnectionOptions | None:
    """Build the keepalive probes of upstream sockets, in whole seconds."""
    tcp = pool.tcp if pool is not None else None
    if tcp is None or tcp.tcp_keepalive is None:
        return None
    return UpstreamConnectionOptions(tcp_keepalive=_keepalive(tcp.tcp_keepalive))


def _keepalive(written: TCPKeepalive) -> TcpKeepalive:
    return TcpKeepalive(
        keepalive_probes=written.probes or None,
        keepalive_time=_whole_seconds(written.time),
        keepalive_interval=_whole_seconds(written.interval),
    )


def _whole_seconds(duration: Duration | None) -> int | None:
    return None if duration is None else int(duration.seconds)


def _span(duration: Duration | None) -> timedelta | None:
    return None if duration is None or duration.nanoseconds == 0 else duration.timedelta


def upstream_http(cluster: Cluster) -> Literal["http/1.1", "http/2", "as downstream"]:
    """Give the HTTP that *cluster* speaks to its endpoints, where it carries HTTP."""
    written = cluster.typed_extension_protocol_options.get(HTTP_OPTIONS)
    options = unpack(written) if written is not None else None
    if not isinstance(options, HttpProtocolOptions):
        return "http/1.1"
    if options.use_downstream_protocol_config is not None:
        return "as downstream"
    explicit = options.explicit_http_config
    return "http/2" if explicit is not None and explicit.http2_protocol_options is not None else "http/1.1"
