"""Which address a client dials for a host of which no single one is written: what its DNS would say."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain, islice

from bench.istio.hosts import covers, is_ip, is_wildcard
from bench.istio.registry import Registry, Service

Block = ipaddress.IPv4Network | ipaddress.IPv6Network
_MADE_UP = ipaddress.ip_network("198.19.0.0/16")
"""For benchmarks of networks, and so for nothing that anybody has (RFC 2544)."""
_TRIED = 1_024
"""Addresses of one block that are looked at."""


def dialled_addresses(registry: Registry, known: Sequence[str]) -> Mapping[str, str]:
    """Give an address for each name below a ServiceEntry that has none of its own.

    It is one of a headless Service's endpoints, or lies in the service's block of addresses, where it has
    one, and in no other's; else it is made up. Of a wildcard those of *known* count that it covers, and one
    more.
    """
    proxies = {proxy.ip for proxy in registry.inventory.proxies.values()}
    taken = set(proxies)
    for service in registry.services:
        taken |= {*service.addresses, *(each.address for each in service.endpoints)}
    blocks = {block: None for service in registry.services for block in blocks_of(service)}
    made_up = (str(each) for each in _MADE_UP.hosts())
    found: dict[str, str] = {}
    for service in registry.services:
        if service.external_name is not None or (not service.is_headless and ipv4_address(service)):
            continue
        if service.is_headless and (member := _member(service, proxies)):
            found.setdefault(service.host, member)
            continue
        own = blocks_of(service)
        for name in names_of(service.host, known):
            if name in found or is_ip(name):
                continue
            candidates = _inside(own[0], blocks) if own else made_up
            address = next((each for each in candidates if each not in taken), None)
            if address is not None:
                taken.add(address)
                found[name] = address
    return found


def own_address(service: Service) -> str:
    """Give the single address that *service* is known under, IPv4 if it has one; empty: none."""
    return next(iter(service.called_addresses), "") if not service.is_headless else ""


def ipv4_address(service: Service) -> str:
    """Give the IPv4 address that *service* is known under; empty: none, or only one of IPv6."""
    own = own_address(service)
    return own if ":" not in own else ""


def _member(service: Service, proxies: Container[str]) -> str:
    """Give the IPv4 address of an endpoint of a headless *service*, of the one that has most ports."""
    ports = Counter(each.address for each in service.endpoints if each.is_ready)
    usable = [each for each in service.called_addresses if ":" not in each and each not in proxies]
    return max(usable, key=lambda each: ports[each], default="")


def blocks_of(service: Service) -> tuple[Block, ...]:
    """Give the blocks of IPv4 addresses of *service*; the networks of containers have no IPv6."""
    found = (ipaddress.ip_network(each, strict=False) for each in service.addresses if "/" in each)
    return tuple(each for each in found if each.version == 4)


def names_of(host: str, known: Sequence[str]) -> list[str]:
    """Give the names to ask for: of a wildcard those that rules speak of, and an unknown one."""
    if not is_wildcard(host):
        return [host]
    return [*(each for each in known if covers(host, each)), host.replace("*", "any", 1)]


def _inside(block: Block, others: Mapping[Block, None]) -> Iterator[str]:
    """Addresses of *block* that no narrower one takes."""
    narrower = [each for each in others if each != block and each.version == 4 and _is_within(each, block)]
    last = block[-2] if block.num_addresses > 2 else block[-1]
    for address in chain(islice(block.hosts(), _TRIED), [last]):
        if not any(address in each for each in narrower):
            yield str(address)


def _is_within(block: Block, wider: Block) -> bool:
    return block.prefixlen > wider.prefixlen and block.network_address in wider
