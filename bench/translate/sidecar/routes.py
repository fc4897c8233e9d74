"""Route configurations of a sidecar: one for each HTTP port (istio ``httproute.go``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from envoy_data_plane.envoy.config.route.v3 import (
    DirectResponseAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)

from bench.istio.cluster_names import PASSTHROUGH
from bench.istio.hosts import MESH, covers, is_wildcard, most_specific, overlap
from bench.istio.registry import BoundVirtualService, Service, ServicePort
from bench.translate.context import Context
from bench.translate.names import sidecar_route_name, virtual_host_name
from bench.translate.route.configuration import route_configuration
from bench.translate.route.domains import host_domains, service_domains
from bench.translate.route.http import (
    RouteScope,
    default_route,
    routes_of,
    without_time_limit,
)

_UNKNOWN_HOST_PORT = 80
"""Only here a VirtualService for a host that is not a service has an effect (istiod calls this a hack)."""
_BLOCKED = 502


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Routes, and the names that lead to them."""

    routes: tuple[Route, ...]
    hosts: tuple[str, ...]
    services: tuple[Service, ...]


def sidecar_route_config(context: Context, port: int) -> RouteConfiguration:
    """Build the route configuration of an HTTP port for all services that have it."""
    services = _services_with(context, port)
    return _route_config(context, sidecar_route_name(port), _virtual_hosts(context, port, services))


def single_service_route_config(context: Context, service: Service, port: ServicePort) -> RouteConfiguration:
    """Build the route configuration of a port with an address of its own, whose protocol is to be found out.

    Whoever connects to that address means this service, whatever host the request names.
    """
    hosts = _virtual_hosts(context, port.number, {service.host: service})
    hosts = [host for host in hosts if host.name == virtual_host_name(service.host, port.number)]
    for host in hosts:
        host.domains = ["*"]
    name = f"{service.host}:{port.number}"
    return route_configuration(name, hosts, ignores_port=not context.semantics.domains_with_ports)


def _route_config(context: Context, name: str, hosts: list[VirtualHost]) -> RouteConfiguration:
    if context.semantics.catch_all_host:
        hosts = [*hosts, _catch_all(context)]
    return route_configuration(name, hosts, ignores_port=not context.semantics.domains_with_ports)


def _services_with(context: Context, port: int) -> dict[str, Service]:
    found: dict[str, Service] = {}
    for service in context.view.services:
        if service.external_name is None and service.port(port) is not None:
            found.setdefault(service.host, service)
    return found


def _virtual_hosts(context: Context, port: int, services: dict[str, Service]) -> list[VirtualHost]:
    candidates = _from_virtual_services(context, port, services)
    taken = {service.host for candidate in candidates for service in candidate.services}
    for host, service in services.items():
        service_port = service.port(port)
        if host in taken or service_port is None or not _is_routed(service_port):
            continue
        candidates.append(_Candidate((default_route(context, service, service_port),), (), (service,)))
    builder = _HostBuilder(context, port, candidates)
    hosts = [host for candidate in candidates for host in builder.build(candidate)]
    return sorted(hosts, key=lambda host: host.name)


def _is_routed(port: ServicePort) -> bool:
    """Return whether requests can come in on *port*: HTTP, or whatever may turn out to be HTTP."""
    return port.protocol.is_http or not (port.protocol.is_tcp or port.protocol == "UDP")


def _from_virtual_services(context: Context, port: int, services: dict[str, Service]) -> list[_Candidate]:
    """Let each VirtualService of the mesh claim its hosts; the first one to claim a host keeps it."""
    virtual_services = context.view.virtual_services(MESH)
    if port != _UNKNOWN_HOST_PORT:
        wild = [service for service in services if is_wildcard(service)]
        virtual_services = [each for each in virtual_services if _speaks_for(each, services, wild)]
    owners = _owners(virtual_services, services)
    scope = RouteScope(port, frozenset({MESH}), only_this_port=True)
    candidates: list[_Candidate] = []
    for virtual_service in virtual_services:
        routes = routes_of(context, virtual_service, scope)
        if not routes:
            continue
        hosts: list[str] = []
        found: list[Service] = []
        for host in sorted(virtual_service.hosts, key=is_wildcard):
            if not is_wildcard(host):
                if host in services:
                    found.append(services[host])
                else:
                    hosts.append(host)
                continue
            met = [service for name, service in services.items() if overlap(host, name)]
            found += [s for s in met if owners.get(s.host) is virtual_service and s not in found]
            if not met:
                hosts.append(host)
        routed = [s for s in found if (p := s.port(port)) is not None and _is_routed(p)]
        if routed or port == _UNKNOWN_HOST_PORT:
            candidates.append(_Candidate(tuple(routes), tuple(hosts), tuple(routed)))
    return candidates


def _speaks_for(
    virtual_service: BoundVirtualService, services: Mapping[str, Service], wild: list[str]
) -> bool:
    """Return whether the VirtualService and a service have a host in common, either of them by a wildcard."""
    return any(
        host in services
        or any(covers(service, host) for service in wild)
        or (is_wildcard(host) and any(overlap(host, service) for service in services))
        for host in virtual_service.hosts
    )


def _owners(
    virtual_services: list[BoundVirtualService], services: Iterable[str]
) -> dict[str, BoundVirtualService]:
    """Give for each service the VirtualService with the most specific host for it, the older one of two."""
    by_host: dict[str, BoundVirtualService] = {}
    for virtual_service in virtual_services:
        for host in virtual_service.hosts:
            by_host.setdefault(host, virtual_service)
    wild = [host for host in by_host if is_wildcard(host)]
    owners: dict[str, BoundVirtualService] = {}
    for service in services:
        best = service if service in by_host else most_specific(service, wild)
        if best is not None:
            owners[service] = by_host[best]
    return owners


class _HostBuilder:
    """Builds virtual hosts so that no name and no domain occurs twice: Envoy would refuse all of them."""

    def __init__(self, context: Context, port: int, candidates: Iterable[_Candidate]) -> None:
        self._context = context
        self._port = port
        self._names: set[str] = set()
        self._domains: set[str] = set()
        self._real = {
            form
            for candidate in candidates
            for service in candidate.services
            for form in (service.host, virtual_host_name(service.host, port))
        }

    def build(self, candidate: _Candidate) -> list[VirtualHost]:
        with_ports = self._context.semantics.domains_with_ports
        built = [
            self._build(candidate, host, host_domains(host, self._port, with_ports=with_ports), set())
            for host in candidate.hosts
        ]
        for service in candidate.services:
            domains, short = service_domains(
                service, self._port, self._context.view.dns_domain, with_ports=with_ports
            )
            for alias in self._context.view.aliases(service.host):
                more, more_short = service_domains(
                    alias, self._port, self._context.view.dns_domain, with_ports=with_ports
                )
                domains, short = domains + more, short | more_short
            built.append(self._build(candidate, service.host, domains, short))
        return [host for host in built if host is not None]

    def _build(
        self, candidate: _Candidate, host: str, domains: list[str], short: set[str]
    ) -> VirtualHost | None:
        name = virtual_host_name(host, self._port)
        if name in self._names:
            return None
        self._names.add(name)
        kept: list[str] = []
        for domain in domains:
            lowered = domain.lower()
            if lowered in self._domains or (domain in short and domain in self._real):
                continue
            self._domains.add(lowered)
            kept.append(domain)
        if not kept:
            return None
        return VirtualHost(
            name=name, domains=kept, routes=list(candidate.routes), include_request_attempt_count=True
        )


def _catch_all(context: Context) -> VirtualHost:
    """Answer requests for unknown hosts, or pass them on to where the client sent them."""
    if context.view.registry.inventory.outbound == "ALLOW_ANY":
        name = "allow_any"
        route = Route(
            name=name,
            match=RouteMatch(prefix="/"),
            route=without_time_limit(RouteAction(cluster=PASSTHROUGH)),
        )
    else:
        name = "block_all"
        route = Route(
            name=name, match=RouteMatch(prefix="/"), direct_response=DirectResponseAction(status=_BLOCKED)
        )
    return VirtualHost(name=name, domains=["*"], routes=[route], include_request_attempt_count=True)
