"""A connection reaches a proxy: listener, filter chain, and what the chain does with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from envoy_data_plane.envoy.config.listener.v3 import FilterChain, Listener
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
)
from envoy_data_plane.envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3 import (
    FilterConfig as SniLookup,
)
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    DownstreamTlsContext,
)

from bench.explain.connections import Connection, TlsLayer, find_chain, find_listener, socket_of
from bench.explain.http_routes import HttpRoutes
from bench.explain.proxies import Proxies, TranslatedProxy
from bench.explain.request import Request
from bench.explain.trace import Branch, Cause, Hop, Origin, Outcome, Step
from bench.explain.upstream import Leg, Upstream
from bench.translate import VIRTUAL_OUTBOUND, unpack

_MOST_HOPS = 8
"""Proxies in a row; more is a loop."""


@dataclass(frozen=True, slots=True)
class Tracer:
    """Follows one request from proxy to proxy."""

    proxies: Proxies
    depth: int = 0

    def arrive(self, name: str, request: Request, connection: Connection) -> Hop:
        """Give what the proxy *name* does with *request* on *connection*."""
        here = self.proxies.get(name)
        if self.depth >= _MOST_HOPS:
            reason = f"the request has passed {_MOST_HOPS} proxies: it goes in circles"
            outcome = Outcome("closed", name, reason, Cause.LOOP)
            return Hop(name, here.proxy.role, request, (), (Branch(1.0, (), outcome),))
        listener = find_listener(here.config.listeners, connection)
        if listener is None:
            listener = next((each for each in here.config.listeners if each.name == VIRTUAL_OUTBOUND), None)
        if listener is None:
            ports = ", ".join(
                str(port) for port in sorted({socket_of(each)[1] for each in here.config.listeners})
            )
            reason = f"{name} does not listen on port {connection.port}" + (
                f", only on {ports}" if ports else ""
            )
            outcome = Outcome("closed", name, reason, Cause.NO_LISTENER)
            return Hop(name, here.proxy.role, request, (), (Branch(1.0, (), outcome),))
        chain = find_chain(listener, connection)
        opened_by = _opened_by(here, listener, request, connection)
        origins = here.sources.origins(here.config.origins.all_of(chain)) if chain is not None else ()
        origins = origins or opened_by
        steps = [Step("listener", listener.name, opened_by or origins)]
        if chain is None:
            wanted = _describe(connection)
            steps.append(Step("filter chain", f"none for {wanted}", notes=_conditions(listener)))
            reason = f"no filter chain of {listener.name} takes {wanted}"
            outcome = Outcome("closed", name, reason, Cause.NO_FILTER_CHAIN)
            return Hop(name, here.proxy.role, request, tuple(steps), (Branch(1.0, (), outcome),))
        count = len(listener.filter_chains) + (listener.default_filter_chain is not None)
        place = "default" if chain is listener.default_filter_chain else _place(listener, chain)
        text = f"{place} of {count} for {_describe(connection)}"
        steps.append(Step("filter chain", text, origins, downstream_notes(chain)))
        more, branches = self._through(here, chain, request, connection, origins)
        return Hop(name, here.proxy.role, request, (*steps, *more), tuple(branches))

    def _through(
        self,
        here: TranslatedProxy,
        chain: FilterChain,
        request: Request,
        connection: Connection,
        origins: tuple[Origin, ...],
    ) -> tuple[list[Step], list[Branch]]:
        filters = [unpack(each.typed_config) for each in chain.filters]
        upstream = Upstream(self.proxies, here, Tracer(self.proxies, self.depth + 1).arrive, connection)
        ends_tls = chain.transport_socket is not None
        if ends_tls:
            refused = _refused(here, chain, connection)
            if refused is not None:
                return [], [refused]
        inside = connection.layers[1:] if ends_tls else connection.layers
        for each in filters:
            if isinstance(each, HttpConnectionManager):
                if inside or not connection.is_http:
                    return [], [_not_http(here, connection, inside, ends_tls=ends_tls)]
                name = each.rds.route_config_name if each.rds is not None else ""
                arrived = replace(request, scheme="https" if ends_tls else "http")
                way = HttpRoutes(here, upstream)
                steps, branches = way.follow(here.routes.get(name), name, arrived, has_tls=ends_tls)
                # A route configuration has no cause of its own: whatever made the chain made it.
                return [replace(steps[0], origins=origins), *steps[1:]], branches
            if isinstance(each, TcpProxy):
                leg = Leg(request, 1.0, is_http=False, layers=inside, carries_http=connection.is_http)
                lookup = next((each for each in filters if isinstance(each, SniLookup)), None)
                if lookup is not None and lookup.port_value is not None:
                    leg = replace(leg, looked_up_port=lookup.port_value)
                return [], _tcp(each, upstream, leg)
        return [], [_closed(here, Cause.IDLE_CHAIN, "the filter chain does nothing with the connection")]


def _refused(here: TranslatedProxy, chain: FilterChain, connection: Connection) -> Branch | None:
    """Say why a chain that ends TLS refuses the handshake of *connection*, None if it does not."""
    if not connection.has_tls:
        return _closed(here, Cause.EXPECTS_TLS, f"{here.name} expects TLS, and gets plain text")
    outer = connection.layers[0]
    context = unpack(chain.transport_socket.typed_config) if chain.transport_socket is not None else None
    demands = isinstance(context, DownstreamTlsContext) and context.require_client_certificate
    if demands and not outer.has_certificate:
        reason = f"{here.name} demands a client certificate, and {outer.by or 'the client'} presents none"
        return _closed(here, Cause.EXPECTS_CERTIFICATE, reason)
    return None


def _not_http(
    here: TranslatedProxy, connection: Connection, inside: tuple[TlsLayer, ...], *, ends_tls: bool
) -> Branch:
    if not inside:
        reason = f"{here.name} expects HTTP here, and the client speaks something else"
    elif ends_tls:
        whose = f"TLS of {inside[0].by}" if inside[0].by else "the client's own TLS"
        reason = (
            f"{here.name} ends the TLS of {connection.layers[0].by or 'the client'} and expects HTTP inside, "
            f"but there is {whose}: it answers 400 in plain text, and that handshake fails"
        )
    else:
        reason = f"{here.name} expects plain HTTP, and gets TLS: it answers 400, and the handshake fails"
    return _closed(here, Cause.EXPECTS_HTTP, reason)


def _opened_by(
    here: TranslatedProxy, listener: Listener, request: Request, connection: Connection
) -> tuple[Origin, ...]:
    """Name what the listener is there for: the port that the client means, else the one that opened it."""
    if not here.is_sidecar:
        return ()
    meant = here.service_places(request.destination, connection.port)
    return here.sources.origins(meant or here.config.origins.of(listener))


def _tcp(proxy: TcpProxy, upstream: Upstream, whole: Leg) -> list[Branch]:
    if proxy.weighted_clusters is None:
        return upstream.branches(proxy.cluster or "", whole, ())
    shares = [share for share in proxy.weighted_clusters.clusters if share.weight]
    total = sum(share.weight for share in shares)
    return [
        branch
        for share in shares
        for branch in upstream.branches(share.name, replace(whole, probability=share.weight / total), ())
    ]


def downstream_notes(chain: FilterChain) -> tuple[str, ...]:
    """Say what a chain that ends TLS asks of the client."""
    context = unpack(chain.transport_socket.typed_config) if chain.transport_socket is not None else None
    if not isinstance(context, DownstreamTlsContext):
        return ()
    if not context.require_client_certificate:
        return ("TLS ends here; no client certificate is demanded",)
    notes = ["TLS ends here; the client must present a certificate that the gateway's CA signed"]
    validation = client_validation(context)
    names = [
        each.matcher.exact for each in validation.match_typed_subject_alt_names if each.matcher is not None
    ]
    if names:
        notes.append(f"its name must be {' or '.join(name for name in names if name)}")
    if validation.verify_certificate_hash or validation.verify_certificate_spki:
        notes.append("it must be one of those that the Gateway names by their hash")
    return tuple(notes)


def client_validation(context: DownstreamTlsContext) -> CertificateValidationContext:
    """Give what is asked of client certificates beside their CA."""
    common = context.common_tls_context
    combined = common.combined_validation_context if common is not None else None
    default = combined.default_validation_context if combined is not None else None
    return default or CertificateValidationContext()


def _closed(here: TranslatedProxy, cause: Cause, reason: str) -> Branch:
    return Branch(1.0, (), Outcome("closed", here.name, reason, cause))


def _describe(connection: Connection) -> str:
    if not connection.has_tls:
        return "plain text" if connection.is_http else "bytes that are not HTTP"
    return f"TLS with SNI {connection.sni}" if connection.sni else "TLS without SNI"


def _place(listener: Listener, chain: FilterChain) -> str:
    return str(next(n for n, each in enumerate(listener.filter_chains, start=1) if each is chain))


def _conditions(listener: Listener) -> tuple[str, ...]:
    found: list[str] = []
    for number, chain in enumerate(listener.filter_chains, start=1):
        match = chain.filter_chain_match
        parts: list[str] = []
        if match is not None:
            if match.server_names:
                parts.append(f"SNI {' or '.join(match.server_names)}")
            if match.prefix_ranges:
                blocks = (f"{each.address_prefix}/{each.prefix_len or 0}" for each in match.prefix_ranges)
                parts.append(f"destination {' or '.join(blocks)}")
            if match.transport_protocol:
                parts.append(match.transport_protocol)
        found.append(f"chain {number} takes {', '.join(parts) or 'anything'}")
    return tuple(found)
