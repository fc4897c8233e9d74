"""Which endpoint of a cluster gets the next request."""

from __future__ import annotations

from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    ClusterCommonLbConfig,
    ClusterCommonLbConfigLocalityWeightedLbConfig,
    ClusterDiscoveryType,
    ClusterLbPolicy,
    ClusterLeastRequestLbConfig,
    ClusterMaglevLbConfig,
    ClusterRingHashLbConfig,
    ClusterRoundRobinLbConfig,
    ClusterSlowStartConfig,
)
from envoy_data_plane.envoy.config.core.v3 import RuntimeDouble
from envoy_data_plane.envoy.type.v3 import Percent

from bench.istio.models import (
    ConsistentHashLB,
    LoadBalancerSettings,
    OutlierDetection,
)
from bench.translate.semantics import Semantics

SMALLEST_RING = 1024
"""istiod's default for a hash ring's size."""
_RUNTIME_KEY = "("
"""Envoy wants a name for the runtime key of slow start; istiod writes this one."""

_SIMPLE = {
    "PASSTHROUGH": ClusterLbPolicy.CLUSTER_PROVIDED,
    "RANDOM": ClusterLbPolicy.RANDOM,
    "ROUND_ROBIN": ClusterLbPolicy.ROUND_ROBIN,
    "LEAST_CONN": ClusterLbPolicy.LEAST_REQUEST,
    "LEAST_REQUEST": ClusterLbPolicy.LEAST_REQUEST,
}

DYNAMIC_TYPE = "envoy.clusters.dynamic_forward_proxy"
NO_PANIC = ClusterCommonLbConfig(healthy_panic_threshold=Percent())


def common_lb_config(
    outlier: OutlierDetection | None,
    settings: LoadBalancerSettings | None,
    semantics: Semantics,
    *,
    has_preference: bool = False,
) -> ClusterCommonLbConfig | None:
    """Build panic threshold and locality weights.

    The weights count only where a rule sets localities, or else the service itself has a preference.
    """
    has_setting = settings is not None and settings.locality_lb_setting is not None
    weighs = weighs_localities(settings, outlier) or (has_preference and not has_setting)
    healthy = outlier.min_health_percent if outlier is not None else 0
    if not weighs and not healthy:
        return NO_PANIC if semantics.panic_threshold else None
    return ClusterCommonLbConfig(
        healthy_panic_threshold=Percent(value=float(healthy))
        if semantics.panic_threshold or healthy
        else None,
        locality_weighted_lb_config=ClusterCommonLbConfigLocalityWeightedLbConfig() if weighs else None,
    )


def weighs_localities(settings: LoadBalancerSettings | None, outlier: OutlierDetection | None) -> bool:
    """Whether a rule's locality setting is in force: failover needs outlier detection, shares do not."""
    setting = settings.locality_lb_setting if settings is not None else None
    if setting is None or setting.enabled is False:
        return False
    has_failover = bool(setting.failover or setting.failover_priority)
    return bool(setting.distribute) or (has_failover and outlier is not None)


def apply_load_balancer(
    cluster: Cluster, settings: LoadBalancerSettings | None, semantics: Semantics
) -> None:
    """Set the policy of *cluster* (istio ``applyLoadBalancer``).

    A cluster that goes to the original destination keeps to it. PASSTHROUGH makes it such a cluster, whatever
    it was. Redis is balanced like any other protocol: istiod shards it only with a switch that is off.
    """
    if cluster.type is ClusterDiscoveryType.ORIGINAL_DST:
        cluster.lb_policy = ClusterLbPolicy.CLUSTER_PROVIDED
        return
    if cluster.cluster_type is not None and cluster.cluster_type.name == DYNAMIC_TYPE:
        cluster.lb_policy = ClusterLbPolicy.CLUSTER_PROVIDED
        return
    default = ClusterLbPolicy.LEAST_REQUEST if semantics.least_request else ClusterLbPolicy.ROUND_ROBIN
    if settings is not None and settings.consistent_hash is not None:
        _apply_hash(cluster, settings.consistent_hash)
        return
    simple = settings.simple if settings is not None else None
    cluster.lb_policy = _SIMPLE.get(simple or "", default)
    if simple == "PASSTHROUGH":
        cluster.type = ClusterDiscoveryType.ORIGINAL_DST
        cluster.cluster_type = None
        cluster.load_assignment = None
        cluster.eds_cluster_config = None
    slow_start = _slow_start(settings) if settings is not None else None
    if slow_start is not None and cluster.lb_policy is ClusterLbPolicy.ROUND_ROBIN:
        cluster.round_robin_lb_config = ClusterRoundRobinLbConfig(slow_start_config=slow_start)
    elif slow_start is not None and cluster.lb_policy is ClusterLbPolicy.LEAST_REQUEST:
        cluster.least_request_lb_config = ClusterLeastRequestLbConfig(slow_start_config=slow_start)


def _apply_hash(cluster: Cluster, settings: ConsistentHashLB) -> None:
    if settings.maglev is not None:
        cluster.lb_policy = ClusterLbPolicy.MAGLEV
        if settings.maglev.table_size:
            cluster.maglev_lb_config = ClusterMaglevLbConfig(table_size=settings.maglev.table_size)
        return
    cluster.lb_policy = ClusterLbPolicy.RING_HASH
    size = settings.minimum_ring_size
    if settings.ring_hash is not None:
        size = settings.ring_hash.minimum_ring_size
    cluster.ring_hash_lb_config = ClusterRingHashLbConfig(minimum_ring_size=size or SMALLEST_RING)


def _slow_start(settings: LoadBalancerSettings) -> ClusterSlowStartConfig | None:
    if settings.warmup is not None:
        warmup = settings.warmup
        return ClusterSlowStartConfig(
            slow_start_window=warmup.duration.timedelta,
            aggression=RuntimeDouble(default_value=_or(warmup.aggression, 1.0), runtime_key=_RUNTIME_KEY),
            min_weight_percent=Percent(value=_or(warmup.minimum_percent, 10.0)),
        )
    window: timedelta | None = None
    if settings.warmup_duration_secs is not None:
        window = settings.warmup_duration_secs.timedelta
    return None if window is None else ClusterSlowStartConfig(slow_start_window=window)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
