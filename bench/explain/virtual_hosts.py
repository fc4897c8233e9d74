"""Which virtual host a request belongs to, as Envoy looks it up."""

from __future__ import annotations

from collections.abc import Iterable

from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration, VirtualHost

from bench.explain.request import Request

BLACKHOLE = "blackhole:"
"""Begins the name of the virtual host that a gateway gets for a port without any VirtualService."""


def asked_host(config: RouteConfiguration, request: Request) -> str:
    """Give the Host that domains are compared with: without its port where the configuration says so."""
    return request.host if config.ignore_port_in_host_matching else request.authority.lower()


def find_virtual_host(config: RouteConfiguration, request: Request) -> tuple[VirtualHost, str] | None:
    """Give the virtual host and its domain that matched.

    Exact, then the longest ``*suffix``, then the longest ``prefix*``, then ``*``.
    """
    host = asked_host(config, request)
    exact: dict[str, VirtualHost] = {}
    wild: list[tuple[int, int, str, VirtualHost]] = []
    for virtual_host in config.virtual_hosts:
        for domain in virtual_host.domains:
            lowered = domain.lower()
            if lowered == host:
                return virtual_host, domain
            exact.setdefault(lowered, virtual_host)
            rank = _wildcard_rank(lowered, host)
            if rank is not None:
                wild.append((*rank, domain, virtual_host))
    if not wild:
        return None
    _, _, domain, found = min(wild, key=lambda each: each[:2])
    return found, domain


def _wildcard_rank(domain: str, host: str) -> tuple[int, int] | None:
    if domain == "*":
        return 2, 0
    # The star represents at least one character.
    if domain.startswith("*"):
        return (0, -len(domain)) if len(host) >= len(domain) and host.endswith(domain[1:]) else None
    if domain.endswith("*"):
        return (1, -len(domain)) if len(host) >= len(domain) and host.startswith(domain[:-1]) else None
    return None


def near_domains(config: RouteConfiguration, host: str, limit: int = 3) -> list[str]:
    """Give domains that look like *host*, for the one who misspelt it."""
    first = host.partition(".")[0]
    alike = [
        domain
        for domain in _all_domains(config.virtual_hosts)
        if domain.partition(".")[0] == first or domain.endswith(f".{host}") or host.endswith(f".{domain}")
    ]
    return alike[:limit]


def _all_domains(hosts: Iterable[VirtualHost]) -> Iterable[str]:
    return (domain for host in hosts for domain in host.domains if domain != "*")
