"""DestinationRule: how connections to a service are made, and its subsets."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bench.istio.models.fields import (
    ChoiceModel,
    Flag,
    Int32,
    Labels,
    MayBeAbsent,
    Number,
    Span,
    StrictModel,
    Text,
    UInt32,
    UInt64,
)

SimpleLB = Literal["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"]
ClientTLSMode = Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]


class CookieAttribute(StrictModel):
    """A further attribute of a cookie."""

    name: Text
    value: Text = ""


class HTTPCookie(StrictModel):
    """A cookie that the hash is made of."""

    name: Text
    path: Text = ""
    ttl: MayBeAbsent[Span] = None
    attributes: tuple[CookieAttribute, ...] = ()


class RingHash(StrictModel):
    """Ring hash settings."""

    minimum_ring_size: UInt64 = 0


class MagLev(StrictModel):
    """Maglev settings."""

    table_size: UInt64 = 0


class ConsistentHashLB(ChoiceModel):
    """Hash by one key, with ring hash (default) or maglev."""

    one_of: ClassVar = (
        ("http_header_name", "http_cookie", "use_source_ip", "http_query_parameter_name"),
        ("ring_hash", "maglev"),
    )

    http_header_name: MayBeAbsent[Text] = None
    http_cookie: MayBeAbsent[HTTPCookie] = None
    use_source_ip: MayBeAbsent[Flag] = None
    http_query_parameter_name: MayBeAbsent[Text] = None
    ring_hash: MayBeAbsent[RingHash] = None
    maglev: MayBeAbsent[MagLev] = None
    minimum_ring_size: UInt64 = 0


class LocalityDistribute(StrictModel):
    """Shares of the traffic of one locality."""

    from_: Text = Field(default="", alias="from")
    to: dict[Text, UInt32] = Field(default_factory=dict)


class LocalityFailover(StrictModel):
    """The region that takes over."""

    from_: Text = Field(default="", alias="from")
    to: Text = ""


class LocalityLbSetting(StrictModel):
    """Locality-aware load balancing."""

    distribute: tuple[LocalityDistribute, ...] = ()
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[Text, ...] = ()
    enabled: Flag | None = None


class ZoneAwareLbSetting(StrictModel):
    """Envoy's own zone-aware routing."""

    enabled: Flag | None = None
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[Text, ...] = ()
    min_cluster_size: UInt32 | None = None


class Warmup(StrictModel):
    """Slow start of new endpoints."""

    duration: Span
    minimum_percent: Annotated[Number | None, Field(ge=0, le=100)] = None
    aggression: Annotated[Number | None, Field(ge=0)] = None


class LoadBalancerSettings(ChoiceModel):
    """How an endpoint is picked."""

    one_of: ClassVar = (("simple", "consistent_hash"),)

    simple: MayBeAbsent[SimpleLB] = None
    consistent_hash: MayBeAbsent[ConsistentHashLB] = None
    locality_lb_setting: MayBeAbsent[LocalityLbSetting] = None
    zone_aware_lb_setting: MayBeAbsent[ZoneAwareLbSetting] = None
    warmup_duration_secs: MayBeAbsent[Span] = None
    warmup: MayBeAbsent[Warmup] = None


class TCPKeepalive(StrictModel):
    """Keepalive probes of the socket."""

    probes: UInt32 = 0
    time: MayBeAbsent[Span] = None
    interval: MayBeAbsent[Span] = None


class TCPSettings(StrictModel):
    """Limits for all connections. An ``idle_timeout`` of zero switches it off."""

    max_connections: Int32 = 0
    connect_timeout: MayBeAbsent[Span] = None
    tcp_keepalive: MayBeAbsent[TCPKeepalive] = None
    max_connection_duration: MayBeAbsent[Span] = None
    idle_timeout: MayBeAbsent[Span] = None


class HTTP2KeepAlive(StrictModel):
    """Pings on HTTP/2 connections."""

    interval: MayBeAbsent[Span] = None
    timeout: MayBeAbsent[Span] = None


class HTTPSettings(StrictModel):
    """Limits for HTTP connections. Zero means unset."""

    http1_max_pending_requests: Int32 = 0
    http2_max_requests: Int32 = 0
    max_requests_per_connection: Int32 = 0
    max_retries: Int32 = 0
    idle_timeout: MayBeAbsent[Span] = None
    h2_upgrade_policy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"] = "DEFAULT"
    use_client_protocol: Flag = False
    max_concurrent_streams: Int32 = 0
    http2_keep_alive: MayBeAbsent[HTTP2KeepAlive] = None


class ConnectionPoolSettings(StrictModel):
    """Limits for connections."""

    tcp: MayBeAbsent[TCPSettings] = None
    http: MayBeAbsent[HTTPSettings] = None


class OutlierDetection(StrictModel):
    """When an endpoint is taken out."""

    consecutive_errors: Int32 = 0
    split_external_local_origin_errors: Flag = False
    consecutive_local_origin_failures: UInt32 | None = None
    consecutive_gateway_errors: UInt32 | None = None
    consecutive_5xx_errors: UInt32 | None = None
    interval: MayBeAbsent[Span] = None
    base_ejection_time: MayBeAbsent[Span] = None
    max_ejection_percent: Int32 = 0
    min_health_percent: Int32 = 0


class ClientTLSSettings(StrictModel):
    """TLS towards the service. An unset mode is DISABLE."""

    mode: ClientTLSMode = "DISABLE"
    client_certificate: Text = ""
    private_key: Text = ""
    ca_certificates: Text = ""
    ca_crl: Text = ""
    credential_name: Text = ""
    subject_alt_names: tuple[Text, ...] = ()
    sni: Text = ""
    insecure_skip_verify: Flag | None = None


class PortSelector(StrictModel):
    """A port by its number."""

    number: UInt32 = 0


class PortTrafficPolicy(StrictModel):
    """The policy of one port, in place of the whole policy."""

    port: MayBeAbsent[PortSelector] = None
    load_balancer: MayBeAbsent[LoadBalancerSettings] = None
    connection_pool: MayBeAbsent[ConnectionPoolSettings] = None
    outlier_detection: MayBeAbsent[OutlierDetection] = None
    tls: MayBeAbsent[ClientTLSSettings] = None


class TunnelSettings(StrictModel):
    """TCP through a tunnel."""

    protocol: Text = ""
    target_host: Text
    target_port: UInt32


class ProxyProtocol(StrictModel):
    """The PROXY protocol towards the service."""

    version: Literal["V1", "V2"] = "V1"


class RetryBudget(StrictModel):
    """A limit for concurrent retries."""

    percent: Annotated[Number | None, Field(ge=0, le=100)] = None
    min_retry_concurrency: UInt32 = 0


class TrafficPolicy(StrictModel):
    """How connections are made."""

    load_balancer: MayBeAbsent[LoadBalancerSettings] = None
    connection_pool: MayBeAbsent[ConnectionPoolSettings] = None
    outlier_detection: MayBeAbsent[OutlierDetection] = None
    tls: MayBeAbsent[ClientTLSSettings] = None
    port_level_settings: Annotated[tuple[PortTrafficPolicy, ...], Field(max_length=4096)] = ()
    tunnel: MayBeAbsent[TunnelSettings] = None
    proxy_protocol: MayBeAbsent[ProxyProtocol] = None
    retry_budget: MayBeAbsent[RetryBudget] = None


class Subset(StrictModel):
    """Endpoints with certain labels, and their policy."""

    name: Text
    labels: Labels = Field(default_factory=dict)
    traffic_policy: MayBeAbsent[TrafficPolicy] = None


class WorkloadSelector(StrictModel):
    """Labels of the clients that the rule holds for."""

    match_labels: Annotated[dict[Text, Annotated[Text, Field(max_length=63)]], Field(max_length=4096)] = (
        Field(default_factory=dict)
    )


class DestinationRule(StrictModel):
    """The ``spec`` of a DestinationRule."""

    host: Text
    traffic_policy: MayBeAbsent[TrafficPolicy] = None
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[Text, ...] = ()
    workload_selector: MayBeAbsent[WorkloadSelector] = None
