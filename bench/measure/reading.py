"""Which requests a proxy reads as HTTP, and which it passes on as bytes: by its listeners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.listener.v3 import FilterChain
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
)
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import UpstreamTlsContext

from bench.explain import Connection, TlsLayer, find_chain, find_listener
from bench.placement import Address
from bench.scenario import MixedRequest
from bench.translate import ProxyConfig, unpack


@dataclass(frozen=True, slots=True)
class Reading:
    """What the proxies on the way read of the traffic."""

    unread: frozenset[str]
    """Requests that the sidecar of their client passes on as bytes."""
    by_gateway: frozenset[str]
    """Of ``unread``: those that the gateway reads after all."""
    carriers: frozenset[str]
    """Clusters of sidecars that ``unread`` go by: what Envoy counts there as a request is a connection."""


@dataclass(frozen=True, slots=True)
class Gateways:
    """The gateways of a traffic, which all have one configuration."""

    config: ProxyConfig | None
    """None: there is none."""
    ips: frozenset[str]

    def chains_behind(
        self, cluster: Cluster, endpoints: Iterable[Address], inner: Sequence[TlsLayer], *, is_http: bool
    ) -> list[FilterChain]:
        """Filter chains that take connections of *cluster*; *inner*: the client's own TLS within."""
        found: list[FilterChain] = []
        if self.config is None:
            return found
        layers = (*_layer_of(cluster), *inner)
        for ip, port in endpoints:
            if ip not in self.ips:
                continue
            connection = Connection(port, ip, layers, is_http=is_http)
            listener = find_listener(self.config.listeners, connection)
            chain = find_chain(listener, connection) if listener is not None else None
            if chain is not None:
                found.append(chain)
        return found


def reading_of(
    mix: Iterable[MixedRequest],
    sidecars: Mapping[str, ProxyConfig],
    endpoints: Mapping[str, Mapping[str, tuple[Address, ...]]],
    gateways: Gateways,
    called: Mapping[str, tuple[str, ...]],
) -> Reading:
    """Follow each request of *mix* to the first proxy that reads it.

    Args:
        mix: the requests of the traffic.
        sidecars: proxy -> its configuration.
        endpoints: proxy -> cluster -> addresses of its endpoints.
        gateways: where sidecars may send them.
        called: host -> the addresses that its name represents.
    """
    unread: set[str] = set()
    by_gateway: set[str] = set()
    carriers: set[str] = set()
    for request in mix:
        config = sidecars[request.client]
        layers = (TlsLayer(request.server_name),) if request.tls is not None else ()
        chain = _taken_by(config, request, layers, called.get(request.host, ()))
        if chain is None or _is_read(chain):
            continue
        unread.add(request.name)
        carriers.update(_passed_to(chain))
        clusters = {cluster.name: cluster for cluster in config.clusters}
        beyond = [
            each
            for name in _passed_to(chain)
            if name in clusters
            for each in gateways.chains_behind(
                clusters[name], endpoints[request.client].get(name, ()), layers, is_http=request.is_http
            )
        ]
        if any(_is_read(each) for each in beyond):
            by_gateway.add(request.name)
    return Reading(frozenset(unread), frozenset(by_gateway), frozenset(carriers))


def past_gateway(
    sidecar: ProxyConfig, endpoints: Mapping[str, tuple[Address, ...]], gateways: Gateways
) -> Mapping[str, tuple[str, ...]]:
    """Clusters of *endpoints* whose requests *sidecar* reads, and the gateway passes on as bytes.

    Returns the names of the gateway's clusters that each of them goes on to.
    """
    found: dict[str, tuple[str, ...]] = {}
    for cluster in sidecar.clusters:
        chains = gateways.chains_behind(cluster, endpoints.get(cluster.name, ()), (), is_http=True)
        if chains and not any(_is_read(chain) for chain in chains):
            found[cluster.name] = tuple(dict.fromkeys(each for c in chains for each in _passed_to(c)))
    return found


def _taken_by(
    config: ProxyConfig, request: MixedRequest, layers: tuple[TlsLayer, ...], called: Sequence[str]
) -> FilterChain | None:
    for address in (*called, ""):
        connection = Connection(request.port, address, layers, is_http=request.is_http)
        listener = find_listener(config.listeners, connection)
        chain = find_chain(listener, connection) if listener is not None else None
        if chain is not None:
            return chain
    return None


def _is_read(chain: FilterChain) -> bool:
    return any(isinstance(each, HttpConnectionManager) for each in _filters(chain))


def _passed_to(chain: FilterChain) -> tuple[str, ...]:
    """Clusters of its TCP proxies."""
    found: list[str] = []
    for each in _filters(chain):
        if isinstance(each, TcpProxy):
            found += [each.cluster] if each.cluster else []
            found += [part.name for part in each.weighted_clusters.clusters] if each.weighted_clusters else []
    return tuple(found)


def _filters(chain: FilterChain) -> Iterator[object]:
    yield from (unpack(each.typed_config) for each in chain.filters)


def _layer_of(cluster: Cluster) -> tuple[TlsLayer, ...]:
    socket = cluster.transport_socket
    context = unpack(socket.typed_config) if socket is not None else None
    return (TlsLayer(context.sni, by=cluster.name),) if isinstance(context, UpstreamTlsContext) else ()
