"""Two subnets that nothing on this machine uses."""

from __future__ import annotations

import ipaddress
import random
import socket
from collections.abc import Iterable, Iterator

import psutil
from docker import DockerClient

from bench.errors import StackError
from bench.stack.engine import engine_errors_explained

Network = ipaddress.IPv4Network

# Docker's own pools lie here and in 192.168.0.0/16, scenarios' addresses often in 10.0.0.0/8 and
# 192.168.0.0/16: a free piece at a random place clashes seldom, and is checked.
_POOL = ipaddress.IPv4Network("172.16.0.0/12")
_PREFIX = 26
"""62 addresses: more parts than any scenario has."""


def choose_subnets(client: DockerClient, count: int = 2) -> tuple[Network, ...]:
    """Choose *count* subnets that no network of the engine and no route of this machine touches.

    Raises:
        StackError: none is free.
    """
    free = free_subnets([*_engine_networks(client), *_host_networks()])
    chosen = tuple(subnet for subnet, _ in zip(free, range(count), strict=False))
    if len(chosen) < count:
        raise StackError(
            f"no free subnet is left in {_POOL}.",
            remedy="Remove unused Docker networks: `docker network ls`, then `docker network rm`.",
        )
    return chosen


def free_subnets(used: Iterable[Network], pool: Network = _POOL) -> Iterator[Network]:
    """Pieces of *pool* that overlap nothing in *used*, from a random place on."""
    taken = [network for network in used if network.overlaps(pool)]
    size = 1 << (32 - _PREFIX)
    pieces = pool.num_addresses // size
    start = random.randrange(pieces)  # noqa: S311 - two runs at once should not try the same
    for number in range(pieces):
        base = int(pool.network_address) + (start + number) % pieces * size
        piece = ipaddress.IPv4Network((base, _PREFIX))
        if not any(piece.overlaps(network) for network in taken):
            yield piece


def _engine_networks(client: DockerClient) -> Iterator[Network]:
    with engine_errors_explained():
        networks = client.networks.list()
    for network in networks:
        for config in (network.attrs.get("IPAM") or {}).get("Config") or ():
            subnet = config.get("Subnet", "")
            if subnet and ":" not in subnet:
                yield ipaddress.IPv4Network(subnet, strict=False)


def _host_networks() -> Iterator[Network]:
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family == socket.AF_INET and address.netmask:
                yield ipaddress.IPv4Network(f"{address.address}/{address.netmask}", strict=False)
    yield from _routes()


def _routes() -> Iterator[Network]:
    """Destinations of the routing table but the default; the kernel writes them as hexadecimal words."""
    try:
        with open("/proc/net/route", encoding="ascii") as file:  # noqa: PTH123 - a kernel table
            lines = file.read().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(fields[n]), "little") for n in (1, 7))
        if mask:
            yield ipaddress.IPv4Network((destination, mask.bit_count()), strict=False)
