"""Which part of a configuration Envoy refuses, and which place in the YAML caused it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import betterproto2
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.listener.v3 import FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import Route, RouteConfiguration, VirtualHost
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
)

from bench.errors import Position
from bench.translate import ProxyConfig, unpack, variant

Refuses = Callable[[ProxyConfig], bool]
"""Asks an Envoy."""
_BLAMED = ("rule", "policy", "server", "subset", "service")
"""Parts of origins, the likelier culprit first."""
_T = TypeVar("_T")


def culprits(is_refused: Refuses, config: ProxyConfig) -> Iterator[betterproto2.Message]:
    """Give the messages that Envoy refuses, the innermost first.

    Halving finds one among thousands in a dozen runs; what is only refused together stays together.
    """

    def holding(parts: Sequence[Cluster | Listener]) -> ProxyConfig:
        clusters = tuple(each for each in parts if isinstance(each, Cluster))
        listeners = tuple(each for each in parts if isinstance(each, Listener))
        return replace(config, clusters=clusters, listeners=listeners)

    whole: list[Cluster | Listener] = [*config.clusters, *config.listeners]
    parts = _narrowed(whole, lambda some: is_refused(holding(some)))
    part = parts[0]
    if len(parts) > 1 or isinstance(part, Cluster):
        yield part
        return
    chains = _narrowed(
        part.filter_chains,
        lambda some: is_refused(holding([variant(part, filter_chains=list(some))])),
    )
    if len(chains) == 1:
        chain = chains[0]
        alone = holding([variant(part, filter_chains=[chain], default_filter_chain=None)])
        for name in _route_names(chain):
            yield from _of_routes(is_refused, alone, name)
        yield chain
    yield part


def _route_names(chain: FilterChain) -> Iterator[str]:
    for each in chain.filters:
        manager = unpack(each.typed_config)
        if isinstance(manager, HttpConnectionManager) and manager.rds is not None:
            yield manager.rds.route_config_name or ""


def _of_routes(is_refused: Refuses, config: ProxyConfig, name: str) -> Iterator[Route | VirtualHost]:
    """Give route and virtual host of the route configuration *name* for which *config* is refused, if any."""
    written = next((each for each in config.routes if each.name == name), None)
    if written is None:
        return

    def refuses(hosts: Sequence[VirtualHost]) -> bool:
        changed = variant(written, virtual_hosts=list(hosts))
        return is_refused(replace(config, routes=(changed,)))

    if refuses(()):
        return
    hosts = _narrowed(written.virtual_hosts, refuses)
    if not hosts:
        return
    host = hosts[0]
    if len(hosts) == 1 and host.routes and not refuses([variant(host, routes=[])]):
        yield _narrowed(host.routes, lambda some: refuses([variant(host, routes=list(some))]))[0]
    yield host


def _narrowed(items: Sequence[_T], refuses: Callable[[Sequence[_T]], bool]) -> Sequence[_T]:
    while len(items) > 1:
        half = len(items) // 2
        smaller = next((part for part in (items[:half], items[half:]) if refuses(part)), None)
        if smaller is None:
            break
        items = smaller
    return items


def places_named(config: ProxyConfig, text: str) -> tuple[Position, ...]:
    """Give what caused the resources of *config* whose names are in *text*, each place once."""
    messages: tuple[Cluster | Listener | RouteConfiguration, ...] = (
        *config.clusters,
        *config.listeners,
        *config.routes,
    )
    named = [each for each in messages if each.name and each.name in text and _is_named(each.name, text)]
    found = [next(places_of(config, iter([each])), None) for each in named]
    return tuple(dict.fromkeys(place for place in found if place is not None))


def _is_named(name: str, text: str) -> bool:
    """Whether *text* has all of *name*, and not as a part of a longer one."""
    return re.search(rf"(?<![\w|.-]){re.escape(name)}(?![\w|-])", text) is not None


def places_of(config: ProxyConfig, refused: Iterator[betterproto2.Message]) -> Iterator[Position]:
    """Give what caused the *refused* messages: rules and policies before the services that they are for."""
    for culprit in refused:
        places = config.origins.of(culprit)
        yield from (places[part] for part in _BLAMED if part in places)
