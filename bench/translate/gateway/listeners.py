"""Listeners of a gateway: one for each bind address and port of its servers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from envoy_data_plane.envoy.config.listener.v3 import FilterChain, Listener

from bench.istio.hosts import overlap
from bench.istio.models import L4MatchAttributes, TLSMatchAttributes
from bench.istio.registry import BoundVirtualService, Protocol
from bench.translate.context import Context
from bench.translate.gateway.downstream_tls import downstream_tls
from bench.translate.gateway.servers import (
    MergedServers,
    PlacedServer,
    is_http_server,
    is_passthrough,
    is_tls_server,
)
from bench.translate.listener.chains import build_listener, chain_match
from bench.translate.listener.filters import http_manager, tcp_filters
from bench.translate.names import listener_name
from bench.translate.notices import Notice, Refusal, RefusedError

_HANDSHAKE_TIMEOUT = timedelta(seconds=15)


def gateway_listeners(context: Context, merged: MergedServers) -> list[Listener]:
    """Build the listeners of a gateway, sorted by name.

    A server without any route for its connections gets no chain, and a socket without any chain no listener:
    whoever connects is refused.
    """
    listeners: list[Listener] = []
    for (bind, port), servers in sorted(merged.by_socket.items()):
        chains = _chains(context, bind, port, servers)
        if chains:
            listeners.append(build_listener(context, bind, port, chains))
        else:
            context.warn(
                Notice.NO_LISTENER, servers[0].where, bind=bind, port=port, rules=_asked_rules(servers[0])
            )
    return listeners


def _asked_rules(placed: PlacedServer) -> str:
    """Name the only kind of rule that a server without HTTP asks."""
    return "tls" if is_passthrough(placed.server) else "tcp"


def _chains(context: Context, bind: str, port: int, servers: Sequence[PlacedServer]) -> list[FilterChain]:
    stat_prefix = f"outbound_{listener_name(bind, port)}"
    chains: list[FilterChain] = []
    sni_taken: set[str] = set()
    plain = [placed for placed in servers if placed.protocol.is_http]
    for placed in servers:
        if placed.protocol.is_http:
            if placed is plain[0]:
                chains.append(_plain_chain(context, stat_prefix, plain))
        elif is_http_server(placed.server):
            manager = http_manager(
                context, stat_prefix=placed.server.name or stat_prefix, route_config=placed.route_name
            )
            chain = FilterChain(
                filter_chain_match=chain_match(server_names=placed.sni_hosts),
                filters=[manager],
                transport_socket=downstream_tls(context, placed),
            )
            context.origins.note(chain, server=placed.locate)
            chains.append(_chain(chain))
        elif is_passthrough(placed.server):
            chains += _passthrough_chains(context, placed, sni_taken)
        else:
            chains += _tcp_chain(context, placed)
    return chains


def _plain_chain(context: Context, stat_prefix: str, servers: Sequence[PlacedServer]) -> FilterChain:
    """Build the one chain of all plain HTTP servers of a socket; the first decides about gRPC-Web."""
    first = servers[0]
    manager = http_manager(
        context,
        stat_prefix=stat_prefix,
        route_config=first.route_name,
        speaks_grpc_web=first.protocol is Protocol.GRPC_WEB,
    )
    chain = _chain(FilterChain(filters=[manager]))
    context.origins.note(chain, server=tuple(placed.locate for placed in servers))
    return chain


def _chain(chain: FilterChain) -> FilterChain:
    chain.transport_socket_connect_timeout = _HANDSHAKE_TIMEOUT
    return chain


def _bound(context: Context, placed: PlacedServer) -> list[BoundVirtualService]:
    """Give the VirtualServices that are bound to the server's Gateway and share a host with it."""
    return [
        each
        for each in context.view.virtual_services(placed.gateway_name)
        if any(_admits(written, each) for written in placed.hosts)
    ]


def _admits(written: str, virtual_service: BoundVirtualService) -> bool:
    namespace, slash, host = written.rpartition("/")
    if slash and namespace not in {"*", virtual_service.namespace}:
        return False
    return any(overlap(host.lower(), theirs) for theirs in virtual_service.hosts)


def _holds(match: L4MatchAttributes | TLSMatchAttributes, placed: PlacedServer) -> bool:
    if match.port and match.port != placed.server.port.number:
        return False
    return not match.gateways or placed.gateway_name in match.gateways


def _tcp_chain(context: Context, placed: PlacedServer) -> list[FilterChain]:
    """Pass on to the first TCP rule that fits; end TLS first where the server does."""
    for virtual_service in _bound(context, placed):
        for index, route in enumerate(virtual_service.tcp):
            if route.match and not any(_holds(match, placed) for match in route.match):
                continue
            filters = tcp_filters(
                context,
                route.route,
                port=placed.server.port.number,
                protocol=placed.protocol,
                stat_prefix=f"{virtual_service.name}.{virtual_service.namespace}",
            )
            chain = FilterChain(filters=filters)
            rule = partial(virtual_service.locate_rule, "tcp", index)
            context.origins.note(chain, server=placed.locate, rule=rule)
            if is_tls_server(placed.server):
                chain.filter_chain_match = chain_match(server_names=placed.sni_hosts)
                chain.transport_socket = downstream_tls(context, placed)
            return [_chain(chain)]
    return []


def _passthrough_chains(context: Context, placed: PlacedServer, taken: set[str]) -> list[FilterChain]:
    """Build one chain for each SNI match of the bound TLS rules, unless the SNI is taken already."""
    tls = placed.server.tls
    if tls is not None and tls.mode == "AUTO_PASSTHROUGH":
        raise RefusedError(Refusal.AUTO_PASSTHROUGH, placed.where)
    chains: list[FilterChain] = []
    for virtual_service in _bound(context, placed):
        for index, route in enumerate(virtual_service.tls):
            for match in route.match:
                if not _holds(match, placed):
                    continue
                if not taken.isdisjoint(match.sni_hosts):
                    name = f"{virtual_service.namespace}/{virtual_service.name}"
                    context.warn(Notice.SNI_TAKEN, virtual_service.where, rule=name)
                    continue
                taken.update(match.sni_hosts)
                filters = tcp_filters(
                    context,
                    route.route,
                    port=placed.server.port.number,
                    protocol=placed.protocol,
                    stat_prefix=f"{virtual_service.name}.{virtual_service.namespace}",
                )
                condition = chain_match(server_names=match.sni_hosts)
                chain = FilterChain(filter_chain_match=condition, filters=filters)
                rule = partial(virtual_service.locate_rule, "tls", index)
                context.origins.note(chain, server=placed.locate, rule=rule)
                chains.append(_chain(chain))
    return chains
