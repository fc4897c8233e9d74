"""Listeners of a sidecar: one for each port of HTTP services, one for each address of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from envoy_data_plane.envoy.config.core.v3 import Address, SocketAddress, TrafficDirection
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, FilterChainMatch, Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy

from bench.errors import Position
from bench.istio.cluster_names import BLACK_HOLE, PASSTHROUGH
from bench.istio.hosts import is_ip
from bench.istio.registry import ANY_ADDRESS, Origin, Protocol, Resolution, Service, ServicePort
from bench.translate.context import Context
from bench.translate.listener.chains import build_listener, chain_match
from bench.translate.listener.filters import TCP_PROXY, http_manager
from bench.translate.listener.layer4 import tcp_chains, tls_chains
from bench.translate.messages import pack
from bench.translate.names import VIRTUAL_OUTBOUND, listener_name, sidecar_route_name
from bench.translate.notices import Notice
from bench.translate.sidecar.routes import sidecar_route_config, single_service_route_config

_OUTBOUND_PORT = 15001
"""Where Istio's iptables rules redirect what a pod sends."""
_HTTP_PROTOCOLS = ("http/1.1", "h2c")
_SERVER_FIRST = frozenset({Protocol.MONGO, Protocol.MYSQL})


@dataclass(slots=True)
class _Socket:
    """What one bind address is used for so far, in the order of the services' age."""

    http: str | None = None
    """The route configuration of plain HTTP."""
    resolves: str | None = None
    """The host of the first HTTP service, if its names are looked up on demand."""
    protocol: Protocol | None = None
    """What it was opened for: bytes of that protocol, or whatever comes, as soon as there is HTTP."""
    chains: list[FilterChain] = field(default_factory=list)
    keys: set[tuple[object, ...]] = field(default_factory=set)
    locate: Callable[[], Position] | None = None
    """Finds the port that opened it."""

    def takes(self, protocol: Protocol) -> bool:
        """Return whether a port of that protocol can join (istio ``buildSidecarOutboundListener``).

        Next to HTTP, nothing needs to be found out again; protocols whose server speaks first keep to
        themselves, since nothing can be found out there.
        """
        if self.protocol is None:
            return True
        if self.protocol is Protocol.UNKNOWN and not protocol.is_tcp:
            return False
        return self.protocol is protocol or _SERVER_FIRST.isdisjoint({self.protocol, protocol})

    def open_for(self, protocol: Protocol) -> None:
        """Note a port that joins."""
        if protocol.is_http or not protocol.is_tcp:
            self.protocol = Protocol.UNKNOWN
        elif self.protocol is None:
            self.protocol = protocol

    def add(self, chains: list[FilterChain]) -> None:
        """Add chains whose conditions are new: of two equal ones the older service keeps the connection."""
        for chain in chains:
            key = chain_key(chain.filter_chain_match)
            if key not in self.keys:
                self.keys.add(key)
                self.chains.append(chain)


def chain_key(match: FilterChainMatch | None) -> tuple[object, ...]:
    """Give what distinguishes the condition of one chain from another's."""
    if match is None or not (match.server_names or match.prefix_ranges):
        return ()
    ranges = sorted((each.address_prefix, each.prefix_len) for each in match.prefix_ranges)
    return (tuple(sorted(match.server_names)), tuple(ranges))


def sidecar_listeners(context: Context) -> tuple[list[Listener], list[RouteConfiguration]]:
    """Build the listeners of a sidecar and the route configurations that they name.

    Names and addresses are those that redirection gives them: ``0.0.0.0_80`` for HTTP, ``VIP_PORT`` for a
    service with an address. Without interception they are bound for real, where the placement says.
    """
    sockets: dict[tuple[str, int], _Socket] = {}
    routes: dict[str, RouteConfiguration] = {}
    for service in context.view.services:
        if service.external_name is not None:
            continue
        for port in service.ports:
            if port.protocol is Protocol.UDP:
                continue
            for bind in _binds(context, service, port):
                _add(
                    context,
                    sockets.setdefault((bind, port.number), _Socket()),
                    service,
                    port,
                    bind=bind,
                    routes=routes,
                )
    listeners = [
        _listener(context, bind, port, socket)
        for (bind, port), socket in sorted(sockets.items())
        if socket.http is not None or socket.chains
    ]
    if context.intercepts:
        listeners.append(_virtual_outbound(context))
    return listeners, [routes[name] for name in sorted(routes)]


def _passing_on() -> FilterChain:
    proxy = TcpProxy(stat_prefix=PASSTHROUGH, cluster=PASSTHROUGH)
    return FilterChain(name=PASSTHROUGH, filters=[Filter(name=TCP_PROXY, typed_config=pack(proxy))])


def _virtual_outbound(context: Context) -> Listener:
    """Build the one listener that redirected connections reach: it hands them to the one they are for.

    What no listener is meant for goes where the client sent it, or nowhere.
    """
    target = PASSTHROUGH if context.view.registry.inventory.outbound == "ALLOW_ANY" else BLACK_HOLE
    proxy = TcpProxy(stat_prefix=target, cluster=target)
    return Listener(
        name=VIRTUAL_OUTBOUND,
        address=Address(socket_address=SocketAddress(address=ANY_ADDRESS, port_value=_OUTBOUND_PORT)),
        traffic_direction=TrafficDirection.OUTBOUND,
        use_original_dst=True,
        filter_chains=[FilterChain(filters=[Filter(name=TCP_PROXY, typed_config=pack(proxy))])],
    )


def _binds(context: Context, service: Service, port: ServicePort) -> list[str]:
    """Give the addresses to listen on for *port*.

    HTTP always listens on all addresses, distinguished by host. A headless service listens on each of its
    endpoints' addresses, ready or not, but for the proxy's own.
    """
    if port.protocol.is_http:
        return [ANY_ADDRESS]
    addresses = [address for address in service.addresses if "/" not in address]
    if addresses:
        return addresses
    if service.resolution is Resolution.PASSTHROUGH and not service.addresses:
        members = [
            endpoint.address
            for source, endpoint in context.view.registry.endpoints_by_host.get(service.host, ())
            if source.namespace == service.namespace
            and endpoint.port_name == port.name
            and is_ip(endpoint.address)
        ]
        if members or service.origin is Origin.KUBERNETES or service.selector:
            return [address for address in dict.fromkeys(members) if address != context.view.proxy.ip]
    return [ANY_ADDRESS]


def _add(
    context: Context,
    socket: _Socket,
    service: Service,
    port: ServicePort,
    *,
    bind: str,
    routes: dict[str, RouteConfiguration],
) -> None:
    protocol = port.protocol
    has_routes = protocol.is_http or not protocol.is_tcp
    if has_routes:
        _add_routes(context, service, port, bind=bind, routes=routes)
    if not socket.takes(protocol):
        return
    socket.open_for(protocol)
    socket.locate = socket.locate or service.locate_port(port)
    if has_routes:
        if socket.http is None and protocol.is_http and service.resolution is Resolution.DYNAMIC_DNS:
            socket.resolves = service.host
        socket.http = (
            sidecar_route_name(port.number) if bind == ANY_ADDRESS else f"{service.host}:{port.number}"
        )
    if protocol.is_http:
        return
    virtual_services = context.view.mesh_rules_for(service.host)
    blocks = [address for address in service.addresses if "/" in address] if bind == ANY_ADDRESS else []
    if blocks and not context.intercepts:
        context.warn(
            Notice.ADDRESS_BLOCK_UNREACHABLE,
            service.where,
            host=service.host,
            blocks=", ".join(blocks),
            port=port.number,
        )
    if protocol.is_tls:
        socket.add(tls_chains(context, service, port, virtual_services, blocks=blocks, bind=bind))
    else:
        socket.add(tcp_chains(context, service, port, virtual_services, blocks=blocks))


def _add_routes(
    context: Context, service: Service, port: ServicePort, *, bind: str, routes: dict[str, RouteConfiguration]
) -> None:
    if bind != ANY_ADDRESS:
        config = single_service_route_config(context, service, port)
        routes[config.name] = config
    elif (name := sidecar_route_name(port.number)) not in routes:
        routes[name] = sidecar_route_config(context, port.number)


def _listener(context: Context, bind: str, port: int, socket: _Socket) -> Listener:
    chains = [chain for chain in socket.chains if chain_key(chain.filter_chain_match)]
    fallback = [chain for chain in socket.chains if not chain_key(chain.filter_chain_match)]
    # What no chain takes goes where the client sent it, or nowhere (istio ``buildListenerFromEntry``).
    passes_on = context.intercepts and context.view.registry.inventory.outbound == "ALLOW_ANY"
    if socket.http is not None:
        name = listener_name(bind, port)
        manager = http_manager(
            context, stat_prefix=f"outbound_{name}", route_config=socket.http, resolves=socket.resolves
        )
        match = chain_match(protocols=_HTTP_PROTOCOLS) if socket.chains or passes_on else None
        chains.insert(0, FilterChain(filter_chain_match=match, filters=[manager]))
    if chains:
        default = fallback[0] if fallback else _passing_on() if passes_on else None
        listener = build_listener(context, bind, port, chains, default)
    else:
        listener = build_listener(context, bind, port, fallback)
    if socket.locate is not None:
        context.origins.note(listener, service=socket.locate)
    return listener
