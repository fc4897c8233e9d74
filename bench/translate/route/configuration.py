"""Route configurations as a whole, the same for sidecars and gateways."""

from __future__ import annotations

from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration, VirtualHost

_LARGEST_DIRECT_RESPONSE = 1_048_576
"""In bytes; istiod's own limit."""


def route_configuration(name: str, hosts: list[VirtualHost], *, ignores_port: bool) -> RouteConfiguration:
    """Build a route configuration; routes may name clusters that do not exist, and then answer 503."""
    return RouteConfiguration(
        name=name,
        virtual_hosts=hosts,
        validate_clusters=False,
        max_direct_response_body_size_bytes=_LARGEST_DIRECT_RESPONSE,
        ignore_port_in_host_matching=ignores_port,
    )
