"""Servers of all Gateways that select a proxy, merged by port (istio ``pilot/pkg/model/gateway.go``)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.errors import Position
from bench.istio.models import Gateway, Server
from bench.istio.registry import (
    ANY_ADDRESS,
    Origin,
    Protocol,
    ProxyView,
    Service,
    ServicePort,
    parse_protocol,
    selects,
)
from bench.istio.resource import Resource
from bench.translate.context import Context
from bench.translate.names import gateway_http_route_name, gateway_https_route_name
from bench.translate.notices import Notice

_PASSTHROUGH_MODES = frozenset({"PASSTHROUGH", "AUTO_PASSTHROUGH"})


@dataclass(frozen=True, slots=True)
class PlacedServer:
    """One server of a Gateway on one of the ports that it really listens on."""

    server: Server
    gateway: Resource[Gateway]
    index: int
    hosts: tuple[str, ...]
    """``namespace/host`` or ``host``; ``.`` is resolved."""
    port: int
    """The port listened on; ``server.port.number`` is the one that rules speak of."""
    route_name: str
    """Empty where there is no HTTP to route."""

    @property
    def gateway_name(self) -> str:
        """``namespace/name`` of the Gateway."""
        return f"{self.gateway.namespace}/{self.gateway.name}"

    @property
    def protocol(self) -> Protocol:
        """What clients speak."""
        return parse_protocol(self.server.port.protocol)

    @property
    def terminates_tls(self) -> bool:
        """Whether TLS ends here."""
        return is_tls_server(self.server) and not is_passthrough(self.server)

    @property
    def where(self) -> Position:
        """Where the server is."""
        return self.locate()

    def locate(self) -> Position:
        """Find where the server is: it takes time."""
        return self.gateway.position(("spec", "servers", self.index))

    @property
    def sni_hosts(self) -> tuple[str, ...]:
        """The hosts without their namespaces, each once, sorted."""
        return tuple(sorted({host.partition("/")[2] or host for host in self.hosts}))

    @property
    def bind(self) -> str:
        """The address listened on."""
        return self.server.bind or ANY_ADDRESS


@dataclass(slots=True)
class MergedServers:
    """The servers of a gateway proxy."""

    by_socket: dict[tuple[str, int], list[PlacedServer]] = field(default_factory=dict)
    """Bind address and port -> servers, in order of age."""
    by_route_name: dict[str, list[PlacedServer]] = field(default_factory=dict)


def is_tls_server(server: Server) -> bool:
    """Return whether clients speak TLS to *server*, whoever ends it."""
    return server.tls is not None and not parse_protocol(server.port.protocol).is_http


def is_passthrough(server: Server) -> bool:
    """Return whether TLS passes through *server*."""
    return server.tls is not None and server.tls.mode in _PASSTHROUGH_MODES


def is_http_server(server: Server) -> bool:
    """Return whether requests are routed: plain HTTP, or HTTPS that ends here."""
    protocol = parse_protocol(server.port.protocol)
    return protocol.is_http or (
        protocol is Protocol.HTTPS and server.tls is not None and not is_passthrough(server)
    )


def merge_servers(context: Context) -> MergedServers:
    """Merge the servers of all Gateways whose selector fits the proxy, oldest Gateway first.

    On one port and bind address plain HTTP servers share a route configuration, and TLS servers by
    SNI. A plain server joins TLS servers that are there already; whatever comes after a plain one
    and is not HTTP like it is left out with a warning, as istiod leaves it out without one. So is a whole
    TLS server of which any host is taken.
    """
    merger = _Merger(context)
    for gateway in context.view.registry.gateways:
        if selects(gateway.spec.selector, context.view.proxy.labels):
            for index, server in enumerate(gateway.spec.servers):
                merger.add(gateway, index, server)
    return merger.merged


class _Merger:
    def __init__(self, context: Context) -> None:
        self.merged = MergedServers()
        self._context = context
        self._plain: dict[int, PlacedServer] = {}
        self._ports: set[int] = set()
        self._tls_hosts: dict[int, dict[str, str]] = {}

    def add(self, gateway: Resource[Gateway], index: int, server: Server) -> None:
        hosts = tuple(
            f"{gateway.namespace}/{host[2:]}" if host.startswith("./") else host.removeprefix("*/")
            for host in server.hosts
        )
        port = resolved_port(self._context.view, server.port.number)
        name = self._route_name(gateway, server, port)
        self._place(PlacedServer(server, gateway, index, hosts, port, name))

    def _route_name(self, gateway: Resource[Gateway], server: Server, port: int) -> str:
        if parse_protocol(server.port.protocol).is_http:
            return gateway_http_route_name(port, server.bind)
        if not is_http_server(server):
            return ""
        return gateway_https_route_name(
            server.port.number,
            server.port.name,
            gateway.name,
            gateway.namespace,
            server.bind,
            with_gateway=self._context.semantics.gateway_in_route_name,
        )

    def _skip(self, placed: PlacedServer, code: Notice, **data: object) -> None:
        self._context.warn(code, placed.where, gateway=placed.gateway_name, **data)

    def _place(self, placed: PlacedServer) -> None:
        server, port = placed.server, placed.port
        if server.tls is not None:
            known = self._tls_hosts.setdefault(port, {})
            taken = [host for host in placed.hosts if known.get(host) == server.bind]
            if taken:
                self._skip(placed, Notice.HOST_TAKEN, port=port, host=taken[0])
                return
            known.update(dict.fromkeys(placed.hosts, server.bind))
        if port not in self._ports:
            self._ports.add(port)
            if not is_tls_server(server):
                self._plain[port] = placed
            self._keep(placed)
            return
        current = self._plain.get(port)
        if current is not None:
            if current.server.bind == server.bind:
                both_http = current.protocol.is_http and placed.protocol.is_http
                if not both_http:
                    self._skip(placed, Notice.PORT_TAKEN, protocol=current.server.port.protocol, port=port)
                    return
            self._keep(placed)
            return
        if not is_tls_server(server):
            # It joins the TLS servers, and the port counts as plain from then on.
            self._plain[port] = placed
        elif placed.route_name and placed.route_name in self.merged.by_route_name:
            self._skip(placed, Notice.PORT_NAME_TAKEN, name=server.port.name)
            return
        self._keep(placed)

    def _keep(self, placed: PlacedServer) -> None:
        self.merged.by_socket.setdefault((placed.bind, placed.port), []).append(placed)
        if placed.route_name:
            self.merged.by_route_name.setdefault(placed.route_name, []).append(placed)


_NO_TRANSLATION = "experimental.istio.io/disable-gateway-port-translation"
"""A label of a Service whose ports lead no gateway anywhere."""


def resolved_port(view: ProxyView, number: int) -> int:
    """Give the port that the proxy listens on for a Gateway's port *number*.

    If a Service selects the proxy and has that port, connections arrive at its target port; the first such
    port counts. Of ports of one Service with the same target and protocol only the first does.
    Source: istio ``GetProxyServiceTargetsByPod`` and ``resolvePorts``.
    """
    for service in view.registry.services:
        if (
            service.origin is not Origin.KUBERNETES
            or service.namespace != view.namespace
            or not service.selector
            or not selects(service.selector, view.proxy.labels)
            or _NO_TRANSLATION in service.labels
        ):
            continue
        seen: set[tuple[int, Protocol]] = set()
        for port in service.ports:
            target = _target(view, service, port)
            if target is None or (target, port.protocol) in seen:
                continue
            seen.add((target, port.protocol))
            if port.number == number:
                return target
    return number


def _target(view: ProxyView, service: Service, port: ServicePort) -> int | None:
    """Give where the proxy itself listens for *port*; a name for a target is known from its endpoint only."""
    if port.target_port is not None:
        return port.target_port
    own = (each for each in service.endpoints if each.address == view.proxy.ip)
    return next((endpoint.port for endpoint in own if endpoint.port_name == port.name), None)
