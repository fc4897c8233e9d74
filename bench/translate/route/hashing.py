"""What a consistent hash is computed from: hash policies of routes and of TCP proxies."""

from __future__ import annotations

from envoy_data_plane.envoy.config.route.v3 import (
    RouteActionHashPolicy,
    RouteActionHashPolicyConnectionProperties,
    RouteActionHashPolicyCookie,
    RouteActionHashPolicyCookieAttribute,
    RouteActionHashPolicyHeader,
    RouteActionHashPolicyQueryParameter,
)

from bench.istio.models import ConsistentHashLB, Destination
from bench.istio.registry import ProxyView
from bench.translate.traffic_policy import port_policy


def hash_settings(view: ProxyView, host: str, port: int | None, subset: str = "") -> ConsistentHashLB | None:
    """Give the hash settings for a destination (istio ``hashForHTTPDestination``).

    A subset's port, then the subset, then the rule's port, then the rule: the first that has a consistent
    hash decides; any other load balancer in between changes nothing here. Settings of a port count only where
    the destination names its port.
    """
    merged = view.rule_for_host(host)
    if merged is None:
        return None
    rule = merged.rule
    chosen = next((each for each in rule.subsets if subset and each.name == subset), None)
    for policy in (chosen.traffic_policy if chosen is not None else None, rule.traffic_policy):
        if policy is None:
            continue
        if port is not None:
            own, is_port_setting = port_policy(policy, port)
            balancer = own.load_balancer if is_port_setting and own is not None else None
            if balancer is not None and balancer.consistent_hash is not None:
                return balancer.consistent_hash
        if policy.load_balancer is not None and policy.load_balancer.consistent_hash is not None:
            return policy.load_balancer.consistent_hash
    return None


def destination_hash(view: ProxyView, destination: Destination) -> ConsistentHashLB | None:
    """Give the hash settings for the destination of a route."""
    port = destination.port.number if destination.port is not None else None
    return hash_settings(view, destination.host, port, destination.subset)


def route_hash_policy(settings: ConsistentHashLB) -> RouteActionHashPolicy | None:
    """Translate one key of a consistent hash."""
    if settings.http_header_name is not None:
        return RouteActionHashPolicy(
            header=RouteActionHashPolicyHeader(header_name=settings.http_header_name)
        )
    if settings.http_cookie is not None:
        cookie = settings.http_cookie
        return RouteActionHashPolicy(
            cookie=RouteActionHashPolicyCookie(
                name=cookie.name,
                path=cookie.path,
                ttl=cookie.ttl.timedelta if cookie.ttl is not None else None,
                attributes=[
                    RouteActionHashPolicyCookieAttribute(name=each.name, value=each.value)
                    for each in cookie.attributes
                ],
            )
        )
    if settings.use_source_ip:
        return RouteActionHashPolicy(
            connection_properties=RouteActionHashPolicyConnectionProperties(source_ip=True)
        )
    if settings.http_query_parameter_name is not None:
        return RouteActionHashPolicy(
            query_parameter=RouteActionHashPolicyQueryParameter(name=settings.http_query_parameter_name)
        )
    return None
