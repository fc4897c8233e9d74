"""How many requests a connection may carry by the Istio resources."""

from __future__ import annotations

from collections.abc import Iterator

from bench.istio.models import DestinationRule, TrafficPolicy
from bench.istio.resource import Resources


def lowest_requests_per_connection(resources: Resources) -> int | None:
    """The lowest ``maxRequestsPerConnection`` of any DestinationRule; None: none sets one."""
    limits = [
        limit for resource in resources.destination_rules for limit in _limits(resource.spec) if limit > 0
    ]
    return min(limits, default=None)


def _limits(rule: DestinationRule) -> Iterator[int]:
    policies: list[TrafficPolicy | None] = [
        rule.traffic_policy,
        *(subset.traffic_policy for subset in rule.subsets),
    ]
    for policy in policies:
        if policy is None:
            continue
        for pool in (policy.connection_pool, *(port.connection_pool for port in policy.port_level_settings)):
            if pool is not None and pool.http is not None:
                yield pool.http.max_requests_per_connection
