"""Where a proxy sends traffic to: each cluster that a route, a chain or a mirror names, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.listener.v3 import FilterChain
from envoy_data_plane.envoy.config.route.v3 import Route, RouteAction, VirtualHost
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
)
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy

from bench.errors import Position
from bench.explain.matching import describe_match
from bench.explain.proxies import TranslatedProxy
from bench.explain.request import host_of
from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH, parse_cluster_name
from bench.translate.messages import unpack

CATCH_ALL_HOSTS = ("block_all", "allow_any")


@dataclass(frozen=True, slots=True)
class Use:
    """One way into a cluster."""

    here: TranslatedProxy
    cluster: str
    who: str
    """``requests to a.test with want = v1``."""
    source: Route | FilterChain
    """The message that leads there."""
    is_http: bool
    route: Route | None = None
    host: VirtualHost | None = None
    is_mirror: bool = False

    @property
    def sent_host(self) -> str:
        """The Host that is sent on: the virtual host's, or what the route writes; empty without HTTP."""
        action = self.route.route if self.route is not None else None
        if action is not None and action.host_rewrite_literal:
            return host_of(action.host_rewrite_literal)
        return self.host.name.rpartition(":")[0] if self.host is not None else ""

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
                        yield from _of_routes(here, name)
                elif isinstance(config, TcpProxy):
                    yield from _of_chain(here, chain, config)


def _of_routes(here: TranslatedProxy, name: str) -> Iterator[Use]:
    config = here.routes.get(name)
    for host in config.virtual_hosts if config is not None else ():
        if host.name in CATCH_ALL_HOSTS:
            continue
        for route in host.routes:
            if route.route is None:
                continue
            conditions = describe_match(route.match)
            who = f"requests to {host.name}" + ("" if conditions == "anything" else f" with {conditions}")
            for cluster in clusters_of(route.route):
                yield Use(here, cluster, who, route, is_http=True, route=route, host=host)
            for mirror in route.route.request_mirror_policies:
                yield Use(
                    here,
                    mirror.cluster or "",
                    f"copies of {who}",
                    route,
                    is_http=True,
                    route=route,
                    host=host,
                    is_mirror=True,
                )


def clusters_of(action: RouteAction) -> list[str]:
    """Give the clusters that an action can choose."""
    if action.weighted_clusters is not None:
        return [share.name for share in action.weighted_clusters.clusters if share.weight]
    return [action.cluster or ""]


def _of_chain(here: TranslatedProxy, chain: FilterChain, proxy: TcpProxy) -> Iterator[Use]:
    names = (
        [share.name for share in proxy.weighted_clusters.clusters if share.weight]
        if proxy.weighted_clusters is not None
        else [proxy.cluster or ""]
    )
    match = chain.filter_chain_match
    named = " or ".join(match.server_names) if match is not None else ""
    for name in names:
        if name not in (BLACK_HOLE, PASSTHROUGH):
            cluster = parse_cluster_name(name)
            target = cluster.host if cluster is not None else name
            who = f"TLS connections for {named}" if named else f"connections that {target} gets"
            yield Use(here, name, who, chain, is_http=False)
