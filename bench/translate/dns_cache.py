"""The cache of names that resolution DYNAMIC_DNS looks up: one for cluster, HTTP filter and SNI filter."""

from __future__ import annotations

from envoy_data_plane.envoy.config.cluster.v3 import ClusterDnsLookupFamily
from envoy_data_plane.envoy.extensions.common.dynamic_forward_proxy.v3 import DnsCacheConfig


def dns_cache(host: str) -> DnsCacheConfig:
    """Build the cache of *host*; Envoy refuses two different ones of the same name."""
    return DnsCacheConfig(name=f"{host}_dfp_dns_cache", dns_lookup_family=ClusterDnsLookupFamily.V4_ONLY)
