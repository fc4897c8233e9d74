"""The choices of a stack or an experiment, put into the translated messages before they become files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from envoy_data_plane.envoy.config.accesslog.v3 import (
    AccessLog,
    AccessLogFilter,
    HeaderFilter,
    OrFilter,
)
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import (
    HttpProtocolOptions as CommonHttpOptions,
)
from envoy_data_plane.envoy.config.core.v3 import SubstitutionFormatString, TransportSocket
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher
from envoy_data_plane.envoy.extensions.access_loggers.file.v3 import FileAccessLog
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpConnectionManager
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy
from envoy_data_plane.envoy.extensions.transport_sockets.proxy_protocol.v3 import (
    ProxyProtocolUpstreamTransport,
)
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CommonTlsContext,
    TlsParameters,
    TlsParametersTlsProtocol,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import HttpProtocolOptions
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Struct

from bench.placement import Placement
from bench.translate.cluster.connection_pool import HTTP_OPTIONS, plain_http_options
from bench.translate.config import ProxyConfig
from bench.translate.files.options import AccessLogOptions, RenderOptions, TlsVersion
from bench.translate.messages import pack, unpack, variant

_VERSIONS: dict[TlsVersion, TlsParametersTlsProtocol] = {
    "TLSv1_2": TlsParametersTlsProtocol.TLSv1_2,
    "TLSv1_3": TlsParametersTlsProtocol.TLSv1_3,
}


def with_choices(config: ProxyConfig, placement: Placement, options: RenderOptions) -> ProxyConfig:
    """Give *config* with the access log and the overrides of *options* in it; itself without any."""
    listeners, clusters = config.listeners, config.clusters
    wanted = [each for each in (options.access_log, options.further_log) if each is not None]
    if wanted:
        logs = [_access_log(each, placement) for each in wanted]
        listeners = tuple(_logged(each, logs) for each in listeners)
    if options.overrides_tls:
        clusters = tuple(_overridden(each, options) for each in clusters)
    if listeners is config.listeners and clusters is config.clusters:
        return config
    return replace(config, listeners=listeners, clusters=clusters)


def _access_log(options: AccessLogOptions, placement: Placement) -> AccessLog:
    fields = Struct.from_dict(dict(options.fields))
    log = FileAccessLog(
        path=f"{placement.log_root}/{options.file}", log_format=SubstitutionFormatString(json_format=fields)
    )
    return AccessLog(
        name="envoy.access_loggers.file",
        filter=_only(*options.only) if options.only is not None else None,
        typed_config=pack(log),
    )


def _only(header: str, ends: Sequence[str]) -> AccessLogFilter:
    matchers = [HeaderMatcher(name=header, string_match=StringMatcher(suffix=end)) for end in ends]
    filters = [AccessLogFilter(header_filter=HeaderFilter(header=each)) for each in matchers]
    return filters[0] if len(filters) == 1 else AccessLogFilter(or_filter=OrFilter(filters=filters))


def _logged(listener: Listener, logs: Sequence[AccessLog]) -> Listener:
    default = listener.default_filter_chain
    return variant(
        listener,
        filter_chains=[_logged_chain(chain, logs) for chain in listener.filter_chains],
        default_filter_chain=_logged_chain(default, logs) if default is not None else None,
    )


def _logged_chain(chain: FilterChain, logs: Sequence[AccessLog]) -> FilterChain:
    return variant(chain, filters=[_logged_filter(each, logs) for each in chain.filters])


def _logged_filter(each: Filter, logs: Sequence[AccessLog]) -> Filter:
    inner = unpack(each.typed_config)
    if isinstance(inner, HttpConnectionManager):
        return variant(each, typed_config=pack(variant(inner, access_log=list(logs))))
    if isinstance(inner, TcpProxy):
        # Connections are no sample of requests.
        whole = [log for log in logs if log.filter is None]
        return variant(each, typed_config=pack(variant(inner, access_log=whole))) if whole else each
    return each


def _overridden(cluster: Cluster, options: RenderOptions) -> Cluster:
    socket = cluster.transport_socket
    changed = (
        _with_tls(socket, lambda context: _tls_override(context, options)) if socket is not None else None
    )
    if changed is None:
        return cluster
    cluster = variant(cluster, transport_socket=changed)
    if options.max_requests_per_connection is not None:
        written = unpack(cluster.typed_extension_protocol_options.get(HTTP_OPTIONS))
        http = written if isinstance(written, HttpProtocolOptions) else plain_http_options()
        common = http.common_http_protocol_options or CommonHttpOptions()
        limited = variant(common, max_requests_per_connection=options.max_requests_per_connection)
        packed = pack(variant(http, common_http_protocol_options=limited))
        cluster.typed_extension_protocol_options = {
            **cluster.typed_extension_protocol_options,
            HTTP_OPTIONS: packed,
        }
    return cluster


def _with_tls(
    socket: TransportSocket, change: Callable[[UpstreamTlsContext], UpstreamTlsContext]
) -> TransportSocket | None:
    """Change the TLS of a transport socket, also within the PROXY protocol; None when there is none."""
    inner = unpack(socket.typed_config)
    if isinstance(inner, UpstreamTlsContext):
        return variant(socket, typed_config=pack(change(inner)))
    if isinstance(inner, ProxyProtocolUpstreamTransport) and inner.transport_socket is not None:
        changed = _with_tls(inner.transport_socket, change)
        if changed is not None:
            return variant(socket, typed_config=pack(variant(inner, transport_socket=changed)))
    return None


def _tls_override(context: UpstreamTlsContext, options: RenderOptions) -> UpstreamTlsContext:
    if options.max_session_keys is not None:
        context = variant(context, max_session_keys=options.max_session_keys)
    if not options.presents_certificate and context.common_tls_context is not None:
        bare = variant(context.common_tls_context, tls_certificates=[], tls_certificate_sds_secret_configs=[])
        context = variant(context, common_tls_context=bare)
    if options.tls_versions is not None:
        lowest, highest = options.tls_versions
        common = context.common_tls_context or CommonTlsContext()
        parameters = variant(
            common.tls_params or TlsParameters(),
            tls_minimum_protocol_version=_VERSIONS[lowest],
            tls_maximum_protocol_version=_VERSIONS[highest],
        )
        context = variant(context, common_tls_context=variant(common, tls_params=parameters))
    return context
