"""The part of a registry that one request can meet, so that thousands of other hosts cost nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.explain.proxies import possible_names
from bench.explain.request import Request, host_of
from bench.istio.hosts import covers, is_wildcard
from bench.istio.inventory import Proxy
from bench.istio.registry import BoundVirtualService, Registry, Service


def narrowed(registry: Registry, request: Request, client: Proxy) -> Registry:
    """Give *registry* without what *request* cannot meet.

    VirtualServices stay whose hosts may be the request's (a rewritten Host counts as well), those of other
    layers than HTTP, and one for each gateway, which is not empty then. Services stay that the request may
    mean or that a VirtualService sends it to, Kubernetes Services (gateways run behind them), and what
    shares a listener with the request's port.
    """
    asked = {request.host.strip("[]"), request.destination.lower()}
    rules: list[BoundVirtualService] = []
    while True:
        rules = _relevant(registry, asked, client)
        more = asked | set(_rewritten(rules))
        if more == asked:
            break
        asked = more
    named = _names(registry, asked, client) | set(_destinations(rules))
    services = _services(registry, request, client, asked, named)
    # An endpoint may be the name or the cluster IP of another Service, behind which a gateway runs.
    behind = {endpoint.address for service in services for endpoint in service.endpoints}
    more = {name for host in behind for name in _names(registry, [host], client)} | behind
    services = _services(registry, request, client, asked | behind, named | more)
    hosts = {service.host for service in services}
    return replace(
        registry,
        services=tuple(services),
        virtual_services=tuple(rules),
        endpoints_by_host={
            host: found for host, found in registry.endpoints_by_host.items() if host in hosts
        },
    )


def _names(registry: Registry, asked: Iterable[str], client: Proxy) -> set[str]:
    domain = registry.inventory.domain
    return {name for host in asked for name in possible_names(host, client.namespace, domain)}


def _relevant(registry: Registry, asked: set[str], client: Proxy) -> list[BoundVirtualService]:
    names = _names(registry, asked, client)
    first_labels = {host.partition(".")[0] for host in asked}
    gateways: set[str] = set()
    kept: list[BoundVirtualService] = []
    for rule in registry.virtual_services:
        opens = not rule.gateways <= gateways
        gateways |= rule.gateways
        if (
            opens
            or rule.tls
            or rule.tcp
            or any(host.partition(".")[0] in first_labels for host in rule.hosts)
            or any(host in names for host in rule.hosts)
            or any(is_wildcard(host) and any(covers(host, name) for name in names) for host in rule.hosts)
        ):
            kept.append(rule)
    return kept


def _rewritten(rules: Iterable[BoundVirtualService]) -> Iterator[str]:
    """Give every Host that a rule may put in place of the request's."""
    for rule in rules:
        for placed in rule.http:
            route = placed.route
            if route.rewrite is not None and route.rewrite.authority:
                yield host_of(route.rewrite.authority)
            headers = [route.headers, *(each.headers for each in route.route)]
            for operations in (each.request for each in headers if each is not None):
                for values in (operations.set, operations.add) if operations is not None else ():
                    yield from (host_of(v) for k, v in values.items() if k.lower() in ("host", ":authority"))


def _services(
    registry: Registry, request: Request, client: Proxy, asked: set[str], named: set[str]
) -> list[Service]:
    first_labels = {host.partition(".")[0] for host in asked}
    openers = _openers(registry, request, client)
    return [
        service
        for index, service in enumerate(registry.services)
        if index in openers
        or service.host in named
        or service.host.partition(".")[0] in first_labels
        or (is_wildcard(service.host) and any(covers(service.host, host) for host in named))
        or service.external_name is not None
        or service.selector
        or asked & set(service.addresses)
        or any("/" in address for address in service.addresses)
        or _shares_listener(service, request)
    ]


def _openers(registry: Registry, request: Request, client: Proxy) -> frozenset[int]:
    """Give the places of services that open listeners on the port of *request*: the first of each kind.

    HTTP listens on 0.0.0.0 whatever addresses the service has; what else decides is how the port is
    served and who may see it.
    """
    found: dict[tuple[object, ...], int] = {}
    for index, service in enumerate(registry.services):
        for port in service.ports:
            if port.number == request.port:
                kind = (
                    port.protocol,
                    bool(service.addresses),
                    service.origin,
                    service.resolution,
                    service.is_visible_in(client.namespace),
                    service.namespace == client.namespace,
                )
                found.setdefault(kind, index)
    return frozenset(found.values())


def _shares_listener(service: Service, request: Request) -> bool:
    """Return whether *service* has a chain without SNI on the request's port, which may take it."""
    return any(
        port.number == request.port and not port.protocol.is_http and not port.protocol.is_tls
        for port in service.ports
    )


def _destinations(rules: Iterable[BoundVirtualService]) -> Iterator[str]:
    for rule in rules:
        for placed in rule.http:
            yield from (each.destination.host.lower() for each in placed.route.route)
            if placed.route.mirror is not None:
                yield placed.route.mirror.host.lower()
            yield from (each.destination.host.lower() for each in placed.route.mirrors)
        for tls_rule in rule.tls:
            yield from (each.destination.host.lower() for each in tls_rule.route)
        for tcp_rule in rule.tcp:
            yield from (each.destination.host.lower() for each in tcp_rule.route)
