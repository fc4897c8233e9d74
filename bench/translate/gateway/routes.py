"""Route configurations of a gateway: the VirtualServices that are bound to its servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from envoy_data_plane.envoy.config.route.v3 import (
    DirectResponseAction,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    VirtualHostTlsRequirementType,
)

from bench.istio.hosts import narrower, specificity
from bench.istio.registry import BoundVirtualService
from bench.translate.context import Context
from bench.translate.gateway.servers import MergedServers, PlacedServer
from bench.translate.names import virtual_host_name
from bench.translate.route.configuration import route_configuration
from bench.translate.route.domains import host_domains
from bench.translate.route.http import RouteScope, all_caught, routes_of

_NOT_FOUND = 404
_T = TypeVar("_T")


@dataclass(slots=True)
class _Host:
    """A virtual host in the making."""

    name: str
    port: int
    routes: list[Route] = field(default_factory=list)
    redirects: bool = False
    servers: list[PlacedServer] = field(default_factory=list)
    """Those that have the host."""
    rules: list[BoundVirtualService] = field(default_factory=list)


def gateway_route_configs(context: Context, merged: MergedServers) -> list[RouteConfiguration]:
    """Build the route configurations of all HTTP servers, sorted by name."""
    return [_route_config(context, name, merged.by_route_name[name]) for name in sorted(merged.by_route_name)]


def intersection(server_hosts: Sequence[str], virtual_service: BoundVirtualService) -> list[str]:
    """Give the hosts that a server and a VirtualService have in common: the narrower one of each pair.

    A server's ``namespace/host`` only admits VirtualServices of that namespace.
    """
    found: dict[str, None] = {}
    for written in server_hosts:
        namespace, slash, host = written.rpartition("/")
        if slash and namespace not in {"*", virtual_service.namespace}:
            continue
        for theirs in virtual_service.hosts:
            common = narrower(host.lower(), theirs)
            if common is not None:
                found.setdefault(common)
    return list(found)


def _route_config(context: Context, name: str, servers: Sequence[PlacedServer]) -> RouteConfiguration:
    hosts: dict[str, _Host] = {}
    known: _Built = {}
    for placed in servers:
        _add_server(context, placed, hosts, known)
    built = _virtual_hosts(context, hosts) if hosts else [_black_hole(context, servers[0].server.port.number)]
    return route_configuration(name, built, ignores_port=not context.semantics.domains_with_ports)


_Built = dict[tuple[str, str, str], list[Route]]
"""Gateway, namespace and name of a VirtualService -> its routes."""


def _add_server(context: Context, placed: PlacedServer, hosts: dict[str, _Host], known: _Built) -> None:
    """Add the hosts of a server.

    As istiod does, the routes of a VirtualService are built once for each Gateway: for the first server that
    it has any for, with that server's port; later servers of the Gateway share them.
    """
    number = placed.server.port.number
    redirects = placed.server.tls is not None and placed.server.tls.https_redirect
    scope = RouteScope(
        number,
        frozenset({placed.gateway_name}),
        only_this_port=False,
        # Any tls block counts, also one that only says httpsRedirect.
        has_tls=placed.server.tls is not None,
    )
    for virtual_service in context.view.virtual_services(placed.gateway_name):
        common = intersection(placed.hosts, virtual_service)
        if not common:
            continue
        key = (placed.gateway_name, virtual_service.namespace, virtual_service.name)
        routes = known.get(key) or routes_of(context, virtual_service, scope)
        if not routes:
            continue
        known[key] = routes
        for host in common:
            entry = hosts.setdefault(host, _Host(virtual_host_name(host, number), number))
            entry.routes += routes
            _append_new(entry.servers, placed)
            _append_new(entry.rules, virtual_service)
            entry.redirects = entry.redirects or redirects
    if redirects:
        for written in placed.hosts:
            # istiod takes the host as written, with its namespace in front: nothing asks for such a name.
            host = written.lower()
            entry = hosts.setdefault(host, _Host(virtual_host_name(host, number), number))
            entry.redirects = True
            _append_new(entry.servers, placed)


def _append_new(known: list[_T], new: _T) -> None:
    if not any(each is new for each in known):
        known.append(new)


def _virtual_hosts(context: Context, hosts: dict[str, _Host]) -> list[VirtualHost]:
    """Build the virtual hosts; those with the very same routes become one, the most specific name first."""
    kept: list[tuple[_Host, list[str]]] = []
    known: dict[tuple[int, ...], tuple[_Host, list[str]]] = {}
    for host in sorted(hosts, key=specificity):
        entry = hosts[host]
        key = tuple(id(route) for route in entry.routes)
        same = known.get(key)
        if context.semantics.collapses_hosts and same is not None and same[0].redirects == entry.redirects:
            same[1].append(host)
            continue
        known[key] = (entry, [host])
        kept.append(known[key])
    return sorted((_virtual_host(context, *each) for each in kept), key=lambda host: host.name)


def _virtual_host(context: Context, entry: _Host, names: list[str]) -> VirtualHost:
    with_ports = context.semantics.domains_with_ports
    host = VirtualHost(
        name=entry.name,
        domains=[d for name in names for d in host_domains(name, entry.port, with_ports=with_ports)],
        routes=all_caught(entry.routes),
        include_request_attempt_count=True,
    )
    if entry.redirects:
        host.require_tls = VirtualHostTlsRequirementType.ALL
    context.origins.note(
        host,
        server=tuple(placed.locate for placed in entry.servers),
        rule=tuple(virtual_service.locate for virtual_service in entry.rules),
    )
    return host


def _black_hole(context: Context, port: int) -> VirtualHost:
    """Answer 404 where no VirtualService is bound."""
    host = VirtualHost(name=f"blackhole:{port}", domains=["*"])
    if context.semantics.black_hole_answers:
        host.routes = [
            Route(match=RouteMatch(prefix="/"), direct_response=DirectResponseAction(status=_NOT_FOUND))
        ]
    return host
