"""The answer to: what will happen to this request, and why?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import replace

from bench.errors import InputError
from bench.explain.connections import Connection
from bench.explain.journey import Journey
from bench.explain.proxies import Proxies
from bench.explain.request import Request
from bench.explain.resources import Sources
from bench.explain.walk import Walk
from bench.istio.inventory import Proxy
from bench.istio.registry import ProxyView, Registry
from bench.istio.registry.hosts import covers, is_wildcard
from bench.istio.registry.services import Protocol, Service
from bench.istio.resource import Resources


def explain(registry: Registry, resources: Resources, request: Request, proxy: str | None = None) -> Journey:
    """Follow *request* from *proxy* on, by default from the only sidecar of the inventory.

    Only what the request can meet is translated, so that thousands of other hosts cost nothing.

    Raises:
        InputError: no such proxy, or several sidecars and none named.
        UnsupportedError: files alone cannot do what a resource on the way asks for.
    """
    name = proxy if proxy is not None else default_proxy(registry)
    client = registry.proxy(name)
    small = narrowed(registry, request, client)
    connection = Connection(
        request.port,
        _address(small, request, name),
        has_tls=request.scheme == "https",
        sni=request.host if request.scheme == "https" and not _is_ip(request.host) else "",
    )
    hop = Walk(Proxies(small, Sources(resources))).arrive(name, request, connection)
    return Journey(request, hop)


def default_proxy(registry: Registry) -> str:
    """Give the only sidecar.

    Raises:
        InputError: there is none, or there are several.
    """
    proxies = registry.inventory.proxies
    sidecars = [name for name, proxy in proxies.items() if proxy.role == "sidecar"]
    if len(sidecars) == 1:
        return sidecars[0]
    if not sidecars and len(proxies) == 1:
        return next(iter(proxies))
    raise InputError(
        f"the inventory has {len(sidecars)} sidecars, so it is not clear where the request starts.",
        remedy=f"Name one with --from: {', '.join(sorted(proxies))}.",
    )


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _names(destination: str, namespace: str, domain: str) -> list[str]:
    """Give what *destination* may stand for in a pod of *namespace*, completed as a resolver does."""
    host = destination.lower().rstrip(".")
    return [host, f"{host}.{namespace}.svc.{domain}", f"{host}.svc.{domain}", f"{host}.{domain}"]


def _address(registry: Registry, request: Request, name: str) -> str:
    """Give the IP that the client connects to, where the registry knows it."""
    if _is_ip(request.destination):
        return request.destination
    view = ProxyView(registry, name)
    for host in _names(request.destination, view.namespace, registry.inventory.domain):
        service = view.service(host)
        if service is not None:
            plain = [address for address in service.addresses if "/" not in address]
            return plain[0] if plain else ""
    return ""


def narrowed(registry: Registry, request: Request, client: Proxy) -> Registry:
    """Give *registry* without the services that *request* cannot meet.

    Kept: what its Host, its URL or its SNI may mean to any proxy; what any VirtualService sends requests to;
    Kubernetes Services (gateways stand behind them); ports of other protocols on the same port number, which
    share its listener, and services with the addresses of kept ones.
    """
    asked = {request.host.strip("[]"), request.destination.lower()}
    first_labels = {host.partition(".")[0] for host in asked}
    named = set(_destinations(registry))
    for host in asked:
        named.update(_names(host, client.namespace, registry.inventory.domain))
    openers = _openers(registry, request)
    kept = [
        service
        for index, service in enumerate(registry.services)
        if index in openers
        or service.host in named
        or service.host.partition(".")[0] in first_labels
        or (is_wildcard(service.host) and any(covers(service.host, host) for host in named | asked))
        or service.external_name is not None
        or service.selector
        or asked & set(service.addresses)
        or any("/" in address for address in service.addresses)
        or _shares_listener(service, request)
    ]
    hosts = {service.host for service in kept}
    return replace(
        registry,
        services=tuple(kept),
        endpoints_by_host={
            host: found for host, found in registry.endpoints_by_host.items() if host in hosts
        },
    )


def _openers(registry: Registry, request: Request) -> frozenset[int]:
    """Give the place of one service for each protocol on the port of *request*, which opens its listener."""
    found: dict[Protocol, int] = {}
    for index, service in enumerate(registry.services):
        for port in service.ports:
            if port.number == request.port and not service.addresses:
                found.setdefault(port.protocol, index)
    return frozenset(found.values())


def _shares_listener(service: Service, request: Request) -> bool:
    """Tell whether *service* has a chain without SNI on the request's port, which may take its connection."""
    return any(
        port.number == request.port and not port.protocol.is_http and not port.protocol.is_tls
        for port in service.ports
    )


def _destinations(registry: Registry) -> Iterator[str]:
    for virtual_service in registry.virtual_services:
        for placed in virtual_service.http:
            yield from (each.destination.host for each in placed.route.route)
            if placed.route.mirror is not None:
                yield placed.route.mirror.host
            yield from (each.destination.host for each in placed.route.mirrors)
        for tls_rule in virtual_service.tls:
            yield from (each.destination.host for each in tls_rule.route)
        for tcp_rule in virtual_service.tcp:
            yield from (each.destination.host for each in tcp_rule.route)
