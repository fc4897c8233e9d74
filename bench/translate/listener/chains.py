"""Filter chains and the listeners that hold them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import timedelta

from envoy_data_plane.envoy.config.core.v3 import Address, CidrRange, SocketAddress, TrafficDirection
from envoy_data_plane.envoy.config.listener.v3 import (
    FilterChain,
    FilterChainMatch,
    Listener,
    ListenerFilter,
)
from envoy_data_plane.envoy.extensions.filters.listener.http_inspector.v3 import HttpInspector
from envoy_data_plane.envoy.extensions.filters.listener.tls_inspector.v3 import TlsInspector

from bench.translate.context import Context
from bench.translate.messages import pack
from bench.translate.names import listener_name


def chain_match(
    *, server_names: Iterable[str] = (), subnets: Iterable[str] = (), protocols: Sequence[str] = ()
) -> FilterChainMatch | None:
    """Build the condition of a filter chain; None for none. A single ``*`` among the names matches any."""
    names = sorted(set(server_names))
    if "*" in names:
        names = []
    ranges = [cidr(subnet) for subnet in subnets]
    if not names and not ranges and not protocols:
        return None
    match = FilterChainMatch(server_names=names, prefix_ranges=ranges)
    if protocols:
        match.application_protocols = list(protocols)
        match.transport_protocol = "raw_buffer"
    return match


def cidr(subnet: str) -> CidrRange:
    """Translate ``192.0.2.0/24``, or one address."""
    network = ipaddress.ip_network(subnet, strict=False)
    return CidrRange(address_prefix=subnet.partition("/")[0], prefix_len=network.prefixlen)


def build_listener(
    context: Context,
    bind: str,
    port: int,
    chains: list[FilterChain],
    default: FilterChain | None = None,
) -> Listener:
    """Build a listener with the inspectors that the conditions of its chains need."""
    matches = [chain.filter_chain_match for chain in chains if chain.filter_chain_match is not None]
    filters: list[ListenerFilter] = []
    if any(match.server_names or match.transport_protocol for match in matches) or any(
        chain.transport_socket is not None for chain in chains
    ):
        filters.append(
            ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=pack(TlsInspector()))
        )
    inspects_http = any(match.application_protocols for match in matches)
    if inspects_http:
        filters.append(
            ListenerFilter(name="envoy.filters.listener.http_inspector", typed_config=pack(HttpInspector()))
        )
    listener = Listener(
        name=listener_name(bind, port),
        address=Address(socket_address=SocketAddress(address=bind, port_value=port)),
        traffic_direction=TrafficDirection.OUTBOUND,
        filter_chains=chains,
        default_filter_chain=default,
        listener_filters=filters,
    )
    if filters:
        listener.listener_filters_timeout = timedelta(0)
        listener.continue_on_listener_filters_timeout = inspects_http
    if context.view.is_sidecar and context.intercepts:
        listener.bind_to_port = False
    if not context.view.is_sidecar:
        listener.max_connections_to_accept_per_socket_event = 1
    return listener
