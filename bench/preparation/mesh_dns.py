"""Which addresses a client of the mesh dials for a host: what its DNS would answer it."""

from __future__ import annotations

from collections.abc import Mapping

from bench.istio.hosts import is_ip
from bench.istio.registry import ANY_ADDRESS, Registry
from bench.scenario import Traffic


def dialled_addresses(registry: Registry, traffic: Traffic) -> Mapping[str, tuple[str, ...]]:
    """Give the addresses of each host of *traffic* that has some: those that it says, else the resources'."""
    wanted = {each.host for each in traffic.mix} | set(traffic.addresses)
    found: dict[str, tuple[str, ...]] = {}
    for service in registry.services:
        if service.host in wanted:
            own = tuple(each for each in service.addresses if "/" not in each and each != ANY_ADDRESS)
            if own:
                found[service.host] = own
    found |= {host: (host,) for host in wanted if is_ip(host)}
    return found | {host: (address,) for host, address in traffic.addresses.items()}
