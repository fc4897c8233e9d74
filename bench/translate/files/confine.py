"""Keep a cluster within its stack: it connects to no address and asks no resolver but the stack's own."""

from __future__ import annotations

from collections.abc import Iterator

from bench.placement import Address, Placement
from bench.translate.messages import Plain

_CARES = "envoy.network.dns_resolver.cares"
_CARES_TYPE = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
_RESOLVER = "typed_dns_resolver_config"


def confine(cluster: Plain, placement: Placement, closed_port: Address) -> None:
    """Close the ways out of *cluster* that are not endpoints; those are sent to their stand-ins elsewhere.

    A cluster that sends connections on to where the client meant them to go does so only where redirection
    reports it, in a network without a way out. Everywhere else nothing plays that destination.
    """
    if cluster.get("type") == "ORIGINAL_DST" and not placement.is_redirected:
        _close(cluster, closed_port)
    config = cluster.get("cluster_type", {}).get("typed_config", {})
    if str(config.get("@type", "")).endswith(".DnsCluster"):
        # The stand-ins' addresses need no resolver; whatever else is asked gets no answer.
        config[_RESOLVER] = _resolver_at(closed_port)
    if "dns_cache_config" in config:
        config["dns_cache_config"][_RESOLVER] = _resolver_at(placement.resolver or closed_port)


def confine_listener(listener: Plain, placement: Placement, closed_port: Address) -> None:
    """Let the filters of *listener* that resolve names ask whom their cluster asks.

    Envoy holds one cache for one name, and refuses two that differ.
    """
    for block in _blocks(listener):
        cache = block.get("dns_cache_config")
        if isinstance(cache, dict):
            cache[_RESOLVER] = _resolver_at(placement.resolver or closed_port)


def _blocks(value: object) -> Iterator[Plain]:
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from _blocks(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _blocks(inner)


def socket_address(address: Address) -> Plain:
    """Write *address* as Envoy does."""
    return {"address": address[0], "port_value": address[1]}


def _close(cluster: Plain, closed_port: Address) -> None:
    cluster.pop("original_dst_lb_config", None)
    cluster["type"] = "STATIC"
    cluster["lb_policy"] = "ROUND_ROBIN"
    endpoint = {"endpoint": {"address": {"socket_address": socket_address(closed_port)}}}
    cluster["load_assignment"] = {
        "cluster_name": cluster["name"],
        "endpoints": [{"lb_endpoints": [endpoint]}],
    }


def _resolver_at(address: Address) -> Plain:
    return {
        "name": _CARES,
        "typed_config": {
            "@type": _CARES_TYPE,
            "resolvers": [{"socket_address": socket_address(address)}],
            "dns_resolver_options": {"no_default_search_domain": True},
        },
    }
