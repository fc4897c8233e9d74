"""Network filters: the HTTP connection manager, and TCP proxies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from envoy_data_plane.envoy.config.core.v3 import Http1ProtocolOptions
from envoy_data_plane.envoy.config.listener.v3 import Filter
from envoy_data_plane.envoy.extensions.filters.http.cors.v3 import Cors
from envoy_data_plane.envoy.extensions.filters.http.dynamic_forward_proxy.v3 import FilterConfig as HttpLookup
from envoy_data_plane.envoy.extensions.filters.http.fault.v3 import HttpFault
from envoy_data_plane.envoy.extensions.filters.http.grpc_web.v3 import GrpcWeb
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpConnectionManagerForwardClientCertDetails,
    HttpConnectionManagerPathWithEscapedSlashesAction,
    HttpConnectionManagerSetCurrentClientCertDetails,
    HttpConnectionManagerUpgradeConfig,
    HttpFilter,
    Rds,
)
from envoy_data_plane.envoy.extensions.filters.network.mongo_proxy.v3 import MongoProxy
from envoy_data_plane.envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3 import (
    FilterConfig as SniLookup,
)
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import (
    TcpProxy,
    TcpProxyTunnelingConfig,
    TcpProxyWeightedCluster,
    TcpProxyWeightedClusterClusterWeight,
)
from envoy_data_plane.envoy.type.v3 import HashPolicy, HashPolicySourceIp

from bench.istio.cluster_names import cluster_name
from bench.istio.models import Destination, RouteDestination
from bench.istio.registry import Protocol
from bench.translate.context import Context
from bench.translate.dns_cache import dns_cache
from bench.translate.messages import pack

HTTP_MANAGER = "envoy.filters.network.http_connection_manager"
TCP_PROXY = "envoy.filters.network.tcp_proxy"


def http_manager(
    context: Context,
    *,
    stat_prefix: str,
    route_config: str,
    speaks_grpc_web: bool = False,
    resolves: str | None = None,
) -> Filter:
    """Build the HTTP connection manager of a listener, with the settings that istiod chooses.

    *resolves* is the host whose names are looked up on demand (DYNAMIC_DNS).

    Fault and CORS filters do nothing until a route configures them; what is left out are Istio's own filters,
    which Envoy as released does not have.
    """
    is_gateway = not context.view.is_sidecar
    filters = (
        [HttpFilter(name="envoy.filters.http.grpc_web", typed_config=pack(GrpcWeb()))]
        if speaks_grpc_web
        else []
    )
    filters += [
        HttpFilter(name="envoy.filters.http.fault", typed_config=pack(HttpFault())),
        HttpFilter(name="envoy.filters.http.cors", typed_config=pack(Cors())),
    ]
    if resolves is not None:
        lookup = HttpLookup(dns_cache_config=dns_cache(resolves))
        filters.append(HttpFilter(name="envoy.filters.http.dynamic_forward_proxy", typed_config=pack(lookup)))
    filters.append(HttpFilter(name="envoy.filters.http.router", typed_config=pack(Router())))
    manager = HttpConnectionManager(
        stat_prefix=stat_prefix,
        rds=Rds(route_config_name=route_config),
        http_filters=filters,
        use_remote_address=is_gateway,
        normalize_path=True,
        path_with_escaped_slashes_action=HttpConnectionManagerPathWithEscapedSlashesAction.KEEP_UNCHANGED,
        stream_idle_timeout=timedelta(0),
        proxy_100_continue=True,
        upgrade_configs=[HttpConnectionManagerUpgradeConfig(upgrade_type="websocket")],
    )
    if is_gateway:
        manager.server_name = "istio-envoy"
        manager.http_protocol_options = Http1ProtocolOptions()
        manager.forward_client_cert_details = HttpConnectionManagerForwardClientCertDetails.SANITIZE_SET
        manager.set_current_client_cert_details = HttpConnectionManagerSetCurrentClientCertDetails(
            subject=True, cert=True, dns=True, uri=True
        )
    return Filter(name=HTTP_MANAGER, typed_config=pack(manager))


def tcp_filters(
    context: Context,
    routes: Sequence[RouteDestination],
    *,
    port: int,
    protocol: Protocol,
    stat_prefix: str,
) -> list[Filter]:
    """Build the filters that pass bytes on to one or several weighted destinations.

    A destination without a port goes to the port that the connection came in on, or to the only one of its
    service.
    """
    names = [_destination(context, route.destination, port) for route in routes]
    proxy = TcpProxy(stat_prefix=names[0] if len(names) == 1 else stat_prefix)
    if len(routes) == 1:
        proxy.cluster = names[0]
    else:
        proxy.weighted_clusters = TcpProxyWeightedCluster(
            clusters=[
                TcpProxyWeightedClusterClusterWeight(name=name, weight=route.weight)
                for name, route in zip(names, routes, strict=True)
                if route.weight > 0
            ]
        )
    first = routes[0].destination
    _apply_rule(context, proxy, first.host, first.subset if len(routes) == 1 else "")
    filters = [Filter(name=TCP_PROXY, typed_config=pack(proxy))]
    if protocol is Protocol.MONGO:
        mongo = MongoProxy(stat_prefix=proxy.stat_prefix)
        filters.insert(0, Filter(name="envoy.filters.network.mongo_proxy", typed_config=pack(mongo)))
    return filters


def service_filters(context: Context, host: str, port: int, protocol: Protocol) -> list[Filter]:
    """Build the filters that pass bytes on to a service."""
    destination = Destination.model_construct(host=host, subset="", port=None)
    route = RouteDestination.model_construct(destination=destination, weight=0)
    return tcp_filters(context, [route], port=port, protocol=protocol, stat_prefix="")


def sni_lookup(host: str, port: int) -> Filter:
    """Build the filter that looks up the name of a TLS connection on demand, in front of the TCP proxy."""
    config = SniLookup(dns_cache_config=dns_cache(host), port_value=port)
    return Filter(
        name="envoy.extensions.filters.network.sni_dynamic_forward_proxy", typed_config=pack(config)
    )


def _destination(context: Context, destination: Destination, port: int) -> str:
    service = context.view.destination(destination.host)
    if destination.port is not None:
        port = destination.port.number
    elif service is not None and len(service.ports) == 1:
        port = service.ports[0].number
    host = service.host if service is not None else destination.host
    if service is not None and service.external_name is not None:
        host = service.external_name
    return cluster_name(host, port, destination.subset)


def _apply_rule(context: Context, proxy: TcpProxy, host: str, subset: str) -> None:
    """Carry over what the DestinationRule of the first destination says of the connections themselves.

    As in istiod: timeouts come from the rule's own policy, neither from a port's nor from a subset's; the
    subset of a single destination decides on hash and tunnel.
    """
    merged = context.view.rule_for_host(host)
    if merged is None:
        return
    top = merged.rule.traffic_policy
    chosen = next((each for each in merged.rule.subsets if subset and each.name == subset), None)
    own = chosen.traffic_policy if chosen is not None else None
    tcp = top.connection_pool.tcp if top is not None and top.connection_pool is not None else None
    if tcp is not None and tcp.idle_timeout is not None:
        proxy.idle_timeout = tcp.idle_timeout.timedelta
    if tcp is not None and tcp.max_connection_duration is not None:
        proxy.max_downstream_connection_duration = tcp.max_connection_duration.timedelta
    balancer = own.load_balancer if own is not None and own.load_balancer is not None else None
    if balancer is None and top is not None:
        balancer = top.load_balancer
    if (
        balancer is not None
        and balancer.consistent_hash is not None
        and balancer.consistent_hash.use_source_ip
    ):
        proxy.hash_policy = [HashPolicy(source_ip=HashPolicySourceIp())]
    tunnel = own.tunnel if own is not None and own.tunnel is not None else None
    if tunnel is None and top is not None:
        tunnel = top.tunnel
    if tunnel is not None:
        proxy.tunneling_config = TcpProxyTunnelingConfig(
            hostname=f"{tunnel.target_host}:{tunnel.target_port}", use_post=tunnel.protocol.upper() == "POST"
        )
