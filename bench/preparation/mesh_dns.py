"""Which virtual addresses a host name represents in the mesh: what its DNS would answer a client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.istio.registry import ANY_ADDRESS, Registry


def virtual_addresses(registry: Registry, hosts: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Give the addresses of each of *hosts* that has some of its own."""
    wanted = set(hosts)
    found: dict[str, tuple[str, ...]] = {}
    for service in registry.services:
        if service.host in wanted:
            own = tuple(each for each in service.addresses if "/" not in each and each != ANY_ADDRESS)
            if own:
                found[service.host] = own
    return found
