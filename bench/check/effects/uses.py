"""Where a proxy sends traffic to: each cluster that a route, a chain or a mirror names, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.listener.v3 import FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import Route, RouteAction, VirtualHost
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
)
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy

from bench.check.messages import EffectCase
from bench.errors import Position
from bench.explain import TlsLayer, TranslatedProxy, conditions_of, host_of, socket_of
from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH
from bench.message import Message, say
from bench.translate import unpack

CATCH_ALL_HOSTS = ("block_all", "allow_any")


@dataclass(frozen=True, slots=True)
class Use:
    """One way into a cluster."""

    here: TranslatedProxy
    cluster: str
    source: Route | FilterChain
    """The message that leads there."""
    is_http: bool
    port: int
    """Of the listener."""
    route: Route | None = None
    host: VirtualHost | None = None
    is_mirror: bool = False
    server_names: tuple[str, ...] = ()
    """Of a chain: the SNI that it takes; its clients speak TLS, which passes through."""

    @property
    def who(self) -> Message:
        """The requests or connections: ``requests to a.test with want = v1``."""
        if self.host is not None and self.route is not None:
            who = say(EffectCase.REQUESTS, host=self.host.name)
            if conditions := conditions_of(self.route.match):
                who = say(EffectCase.REQUESTS_WITH, host=self.host.name, conditions=conditions)
            return say(EffectCase.COPIES, requests=who) if self.is_mirror else who
        if self.server_names:
            return say(EffectCase.TLS_CONNECTIONS, names=self.server_names)
        return say(EffectCase.CONNECTIONS, targets=self._dialled())

    def _dialled(self) -> tuple[str | Message, ...]:
        match = self.source.filter_chain_match if isinstance(self.source, FilterChain) else None
        blocks = [f"{each.address_prefix}" for each in match.prefix_ranges] if match is not None else []
        if blocks:
            return tuple(f"{block}:{self.port}" for block in blocks)
        place = self.here.config.origins.first(self.source, "service")
        for service in self.here.view.services if place is not None else ():
            port = service.port(self.port)
            if port is not None and service.locate_port(port)() == place:
                return (f"{service.host}:{self.port}",)
        return (say(EffectCase.PORT_OF_LISTENER, port=self.port),)

    @property
    def layers(self) -> tuple[TlsLayer, ...]:
        """TLS of the client that passes through."""
        if not self.server_names:
            return ()
        return (TlsLayer(self.server_names[0].replace("*", "any", 1)),)

    @property
    def sent_host(self) -> str:
        """The Host that is sent on: the virtual host's, or what the route writes; empty without HTTP."""
        action = self.route.route if self.route is not None else None
        if action is not None and action.host_rewrite_literal:
            return host_of(action.host_rewrite_literal)
        return self.host.name.rpartition(":")[0] if self.host is not None else ""

    @property
    def rewrites_host(self) -> bool:
        """Whether the route writes a Host of its own."""
        action = self.route.route if self.route is not None else None
        return action is not None and bool(action.host_rewrite_literal)

    @property
    def has_rule(self) -> bool:
        """Whether a VirtualService leads here; else it is what a service gets without one."""
        return "rule" in self.here.config.origins.parts(self.source)

    @property
    def has_place(self) -> bool:
        """Whether :attr:`where` is known."""
        return bool(self.here.config.origins.parts(self.source) & {"rule", "service"})

    @property
    def where(self) -> Position | None:
        """The place that leads here."""
        return self.here.config.origins.first(self.source, "rule", "service")

    def setting(self, cluster: Cluster, part: str) -> Position | None:
        """Find the place of the setting *part* of *cluster*, else the one that leads there. It takes time."""
        return self.here.config.origins.first(cluster, part) or self.where


def uses_of(here: TranslatedProxy) -> Iterator[Use]:
    """Give each use of a cluster by *here*."""
    seen: set[str] = set()
    for listener in here.config.listeners:
        chains = list(listener.filter_chains)
        if listener.default_filter_chain is not None:
            chains.append(listener.default_filter_chain)
        for chain in chains:
            for each in chain.filters:
                config = unpack(each.typed_config)
                if isinstance(config, HttpConnectionManager) and config.rds is not None:
                    name = config.rds.route_config_name or ""
                    if name not in seen:
                        seen.add(name)
                        yield from _of_routes(here, listener, name)
                elif isinstance(config, TcpProxy):
                    yield from _of_chain(here, listener, chain, config)


def _of_routes(here: TranslatedProxy, listener: Listener, name: str) -> Iterator[Use]:
    config = here.routes.get(name)
    port = socket_of(listener)[1]
    for host in config.virtual_hosts if config is not None else ():
        if host.name in CATCH_ALL_HOSTS:
            continue
        for route in host.routes:
            if route.route is None:
                continue
            for cluster in clusters_of(route.route):
                yield Use(here, cluster, route, is_http=True, port=port, route=route, host=host)
            for mirror in route.route.request_mirror_policies:
                name = mirror.cluster or ""
                yield Use(here, name, route, is_http=True, port=port, route=route, host=host, is_mirror=True)


def clusters_of(action: RouteAction) -> list[str]:
    """Give the clusters that an action can choose."""
    if action.weighted_clusters is not None:
        return [share.name for share in action.weighted_clusters.clusters if share.weight]
    return [action.cluster or ""]


def _of_chain(
    here: TranslatedProxy, listener: Listener, chain: FilterChain, proxy: TcpProxy
) -> Iterator[Use]:
    names = (
        [share.name for share in proxy.weighted_clusters.clusters if share.weight]
        if proxy.weighted_clusters is not None
        else [proxy.cluster or ""]
    )
    match = chain.filter_chain_match
    # A chain that ends TLS itself passes on what was inside.
    passes = chain.transport_socket is None
    server_names = tuple(match.server_names) if match is not None and passes else ()
    for name in names:
        if name not in (BLACK_HOLE, PASSTHROUGH):
            yield Use(
                here,
                name,
                chain,
                is_http=False,
                port=socket_of(listener)[1],
                server_names=server_names,
            )
