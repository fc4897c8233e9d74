"""Which clusters a proxy's own routes and listeners can lead to.

istiod sends each proxy the clusters of the whole mesh. On one machine that is costly: with EDS each cluster
takes one of the few inotify instances that a user has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import Route, RouteConfiguration
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy

from bench.translate.messages import unpack


def reachable_clusters(listeners: Iterable[Listener], routes: Iterable[RouteConfiguration]) -> set[str]:
    """Name the clusters that a route, a mirror or a TCP proxy names."""
    found = {
        name
        for config in routes
        for host in config.virtual_hosts
        for route in host.routes
        for name in _of_route(route)
    }
    for listener in listeners:
        default = listener.default_filter_chain
        for chain in (*listener.filter_chains, *([default] if default is not None else [])):
            for each in chain.filters:
                proxy = unpack(each.typed_config)
                if isinstance(proxy, TcpProxy):
                    found.update(_of_tcp_proxy(proxy))
    return found


def _of_route(route: Route) -> Iterator[str]:
    action = route.route
    if action is None:
        return
    if action.cluster:
        yield action.cluster
    if action.weighted_clusters is not None:
        yield from (each.name for each in action.weighted_clusters.clusters)
    yield from (each.cluster for each in action.request_mirror_policies)


def _of_tcp_proxy(proxy: TcpProxy) -> Iterator[str]:
    if proxy.cluster:
        yield proxy.cluster
    if proxy.weighted_clusters is not None:
        yield from (each.name for each in proxy.weighted_clusters.clusters)
