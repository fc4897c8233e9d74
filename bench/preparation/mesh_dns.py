"""Which addresses a client of the mesh dials for a host: what its DNS would answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.istio.hosts import is_ip
from bench.istio.problem import Problem
from bench.istio.registry import Registry
from bench.preparation.demands import Locate
from bench.scenario import MixedRequest, Traffic

Called = Mapping[str, tuple[str, ...]]
"""Host -> the addresses that a client dials for it."""


def dialled_addresses(registry: Registry, traffic: Traffic) -> Called:
    """Give the addresses of each host of *traffic* that has some: those that it says, else the resources'.

    A headless Service that leads to proxies has none: what lies behind them is called, not they. Clients
    whose connections are redirected have IPv4 only, as the networks of containers.
    """
    wanted = {each.host for each in traffic.mix} | set(traffic.addresses)
    proxies = {proxy.ip for proxy in registry.inventory.proxies.values()}
    is_redirected = any(_is_redirected(registry, each) for each in traffic.mix)
    found: dict[str, tuple[str, ...]] = {}
    for service in registry.services:
        if service.host in wanted:
            called = tuple(
                each
                for each in service.called_addresses
                if each not in proxies and not (is_redirected and ":" in each)
            )
            if called:
                found[service.host] = called
    found |= {host: (host,) for host in wanted if is_ip(host)}
    return found | {host: (address,) for host, address in traffic.addresses.items()}


def undialled(registry: Registry, traffic: Traffic, called: Called, locate: Locate) -> Iterator[Problem]:
    """Give the requests that must be dialled at an address of IPv6, which no network of containers has.

    Plain HTTP is taken at any address, unless the scenario writes one.
    """
    ipv6 = {
        service.host: service.called_addresses[0]
        for service in registry.services
        if service.called_addresses and ":" in service.called_addresses[0]
    }
    for request in traffic.mix:
        if not _is_redirected(registry, request):
            continue
        address = next(iter(called.get(request.host, ())), "")
        if not address and not request.is_plain_http:
            address = ipv6.get(request.host, "")
        if ":" in address:
            is_written = request.host in traffic.addresses
            yield Problem(
                locate("traffic", "addresses", request.host)
                if is_written
                else locate("traffic", "requests", request.key),
                f"request {request.key} dials {address}, an address of IPv6, and the networks in which"
                f" connections of {request.client} are redirected have IPv4 only.",
                "Write an IPv4 address."
                if is_written
                else f"Give the service one of IPv4, too, or set interception to none for {request.client}.",
            )


def _is_redirected(registry: Registry, request: MixedRequest) -> bool:
    client = registry.inventory.proxies.get(request.client)
    return client is not None and client.interception == "redirect"
