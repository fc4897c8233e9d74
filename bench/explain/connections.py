"""Which listener and filter chain a connection meets, as Envoy picks them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from envoy_data_plane.envoy.config.listener.v3 import FilterChain, FilterChainMatch, Listener

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
"""Addresses of listeners that take connections to any address."""


@dataclass(frozen=True, slots=True)
class TlsLayer:
    """One TLS session of a connection."""

    sni: str = ""
    """Empty: none is sent."""
    by: str = ""
    """The proxy that began it; empty: the client itself."""
    has_certificate: bool = True
    """Whether who began it presents a certificate; of the client itself that is not known, and assumed."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection as it reaches a proxy."""

    port: int
    address: str = ""
    """The IP that it was opened to; empty when that is not known."""
    layers: tuple[TlsLayer, ...] = ()
    """TLS sessions, the outermost first; a proxy sees the outermost, and the next once it has ended that."""
    is_http: bool = True
    """What is inside of all TLS."""

    @property
    def has_tls(self) -> bool:
        """Whether it begins with a TLS handshake."""
        return bool(self.layers)

    @property
    def sni(self) -> str:
        """The server name that the outermost handshake asks for."""
        return self.layers[0].sni if self.layers else ""

    @property
    def application_protocols(self) -> tuple[str, ...]:
        """What the inspectors find: the ALPN that clients offer, or plain HTTP/1.1."""
        if self.has_tls:
            return ("h2", "http/1.1") if self.is_http and not self.layers[0].by else ()
        return ("http/1.1",) if self.is_http else ()


def socket_of(listener: Listener) -> tuple[str, int]:
    """Give bind address and port."""
    socket = listener.address.socket_address if listener.address is not None else None
    return (socket.address, socket.port_value or 0) if socket is not None else ("", 0)


def find_listener(listeners: Sequence[Listener], connection: Connection) -> Listener | None:
    """Give the listener for *connection*: of its very address, else of all addresses."""
    on_port = [each for each in listeners if socket_of(each)[1] == connection.port]
    for listener in on_port:
        if connection.address and socket_of(listener)[0] == connection.address:
            return listener
    return next((each for each in on_port if socket_of(each)[0] in ANY_ADDRESS), None)


def find_chain(listener: Listener, connection: Connection) -> FilterChain | None:
    """Give the filter chain for *connection*; the most specific one wins, step by step.

    The order is Envoy's: destination address, SNI, transport protocol, application protocol. It never goes
    back to an earlier step.
    """
    chains = list(listener.filter_chains)
    chains = _by_address(chains, connection.address)
    chains = _by_name(chains, connection.sni.lower() if connection.has_tls else "")
    transport = "tls" if connection.has_tls else "raw_buffer"
    chains = _prefer(chains, lambda match: match.transport_protocol == transport, "transport_protocol")
    chains = _prefer(
        chains,
        lambda match: any(each in match.application_protocols for each in connection.application_protocols),
        "application_protocols",
    )
    if chains:
        return chains[0]
    return listener.default_filter_chain


def _match(chain: FilterChain) -> FilterChainMatch:
    return chain.filter_chain_match or FilterChainMatch()


def _by_address(chains: list[FilterChain], address: str) -> list[FilterChain]:
    longest, best = -1, [chain for chain in chains if not _match(chain).prefix_ranges]
    if not address:
        return best
    for chain in chains:
        for block in _match(chain).prefix_ranges:
            length = block.prefix_len or 0
            network = ipaddress.ip_network(f"{block.address_prefix}/{length}", strict=False)
            if ipaddress.ip_address(address) not in network:
                continue
            if length > longest:
                longest, best = length, [chain]
            elif length == longest and chain not in best:
                best.append(chain)
    return best


def _by_name(chains: list[FilterChain], name: str) -> list[FilterChain]:
    if name:
        candidates = [name]
        rest = name
        while "." in rest:
            rest = rest.partition(".")[2]
            candidates.append(f"*.{rest}")
        for candidate in candidates:
            named = [chain for chain in chains if candidate in _match(chain).server_names]
            if named:
                return named
    return [chain for chain in chains if not _match(chain).server_names]


def _prefer(chains: list[FilterChain], fits: object, field: str) -> list[FilterChain]:
    fitting = [chain for chain in chains if callable(fits) and fits(_match(chain))]
    return fitting or [chain for chain in chains if not getattr(_match(chain), field)]
