"""Load assignments: the endpoints of a cluster, by locality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from envoy_data_plane.envoy.config.core.v3 import Address, Locality, Pipe, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.config.endpoint.v3 import Endpoint as EnvoyEndpoint

from bench.istio.models import LocalityLbSetting, TrafficPolicy
from bench.istio.registry import Endpoint, ProxyView
from bench.translate.cluster.locality import (
    LocalityGroup,
    arrange,
    group_by_locality,
    split_locality,
    with_locality_labels,
)

_UNIX = "unix://"


def subset_endpoints(endpoints: Sequence[Endpoint], labels: Mapping[str, str]) -> list[Endpoint]:
    """Keep the endpoints that have all *labels*; those derived from their locality count too."""
    if not labels:
        return list(endpoints)
    return [
        endpoint
        for endpoint in endpoints
        if labels.items() <= endpoint.labels.items()
        or labels.items() <= with_locality_labels(endpoint.labels, endpoint.locality).items()
    ]


def load_assignment(
    name: str,
    endpoints: Sequence[Endpoint],
    policy: TrafficPolicy | None,
    view: ProxyView,
    *,
    by_dns: bool,
    preferred: Sequence[str] = (),
) -> ClusterLoadAssignment:
    """Build the load assignment of the cluster *name* for the client *view*.

    Without a locality setting of a rule the service's *preferred* labels decide, outlier detection or not:
    Kubernetes reports which endpoints are ready. istiod adds those that are not, marked unhealthy; they would
    only change how much of the traffic spills over, and are left out here.
    """
    balancer = policy.load_balancer if policy is not None else None
    setting = balancer.locality_lb_setting if balancer is not None else None
    is_forced = setting is None and bool(preferred)
    if is_forced:
        setting = LocalityLbSetting.model_validate({"failoverPriority": list(preferred)})
    groups = arrange(
        group_by_locality(endpoints),
        setting,
        enabled=setting is None or setting.enabled is not False,
        has_outlier_detection=is_forced or (policy is not None and policy.outlier_detection is not None),
        by_dns=by_dns,
        locality=view.proxy.locality,
        labels=view.proxy.labels,
    )
    return ClusterLoadAssignment(cluster_name=name, endpoints=[_group(group) for group in groups])


def _group(group: LocalityGroup) -> LocalityLbEndpoints:
    return LocalityLbEndpoints(
        locality=_locality(group.locality),
        lb_endpoints=[_endpoint(each.address, each.port, each.weight) for each in group.endpoints],
        load_balancing_weight=group.weight,
        priority=group.priority,
    )


@lru_cache(maxsize=256)
def _locality(written: str) -> Locality:
    region, zone, sub_zone = split_locality(written)
    return Locality(region=region, zone=zone, sub_zone=sub_zone)


@lru_cache(maxsize=65_536)
def _endpoint(address: str, port: int, weight: int) -> LbEndpoint:
    """Build an endpoint once for all clusters that have it: the service's own and those of its subsets."""
    if address.startswith(_UNIX):
        place = Address(pipe=Pipe(path=address.removeprefix(_UNIX)))
    else:
        place = Address(socket_address=SocketAddress(address=address, port_value=port))
    return LbEndpoint(endpoint=EnvoyEndpoint(address=place), load_balancing_weight=weight)
