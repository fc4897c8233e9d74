"""Changes of a gateway's configuration, in Istio's terms: pure, and the same for every config source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import HealthStatus
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, LbEndpoint
from envoy_data_plane.envoy.config.route.v3 import (
    Route,
    RouteConfiguration,
    WeightedCluster,
    WeightedClusterClusterWeight,
)

from bench.placement import Address
from bench.translate import ProxyConfig, variant


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the requests of two subsets are to go."""

    endpoints: Mapping[str, tuple[str, ...]]
    """Cluster -> nodes."""
    routes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Cluster that routes name -> clusters that take its place, with weights; absent: itself."""
    draining: frozenset[str] = frozenset()
    """Nodes that get no new requests."""

    def valid(self, cluster: str) -> frozenset[str]:
        """The nodes that may get a request whose route names *cluster* in the resources."""
        led = [each for each, weight in self.routes.get(cluster, {cluster: 1}).items() if weight]
        return frozenset(node for each in led for node in self.endpoints[each] if node not in self.draining)


@dataclass(frozen=True, slots=True)
class Step:
    """One change: what is wanted after it."""

    name: str
    wanted: Wanted


def steps(first: str, second: str, one: str, other: str) -> tuple[Wanted, tuple[Step, ...]]:
    """Give the state to begin with, and a round of changes that ends in it.

    Args:
        first: the cluster of a subset, with the node *one*.
        second: that of another one, with the node *other*.
        one: see *first*.
        other: see *second*.
    """
    base = Wanted({first: (one,), second: (other,)})
    both = Wanted({first: (one, other), second: (other,)})
    gone = Wanted({first: (other,), second: (other,)})
    return base, (
        Step("endpoint added", both),
        Step("node drained", replace(both, draining=frozenset({one}))),
        Step("endpoint removed", gone),
        Step("endpoint moved to the other subset", Wanted({first: (other,), second: (one,)})),
        Step("endpoints moved back", base),
        Step("subset's weight changed", replace(base, routes={first: {first: 50, second: 50}})),
        Step("route changed", replace(base, routes={first: {second: 100}})),
        Step("route changed back", base),
    )


def with_wanted(config: ProxyConfig, wanted: Wanted, nodes: Mapping[str, Sequence[Address]]) -> ProxyConfig:
    """Give *config* as translation would give it if the resources said what is *wanted*.

    Args:
        config: the gateway's, as translated.
        wanted: for two of its clusters.
        nodes: node -> the endpoint addresses that it plays.
    """
    templates = {
        node: endpoint
        for assignment in _assignments(config)
        if assignment.cluster_name in wanted.endpoints
        for endpoint in _endpoints(assignment)
        for node, played in nodes.items()
        if _address(endpoint) in played
    }

    def changed(assignment: ClusterLoadAssignment) -> ClusterLoadAssignment:
        if assignment.cluster_name not in wanted.endpoints:
            return assignment
        found = [
            variant(
                templates[node],
                health_status=HealthStatus.DRAINING
                if node in wanted.draining and len(wanted.endpoints[assignment.cluster_name]) > 1
                else HealthStatus.UNKNOWN,
            )
            for node in wanted.endpoints[assignment.cluster_name]
        ]
        group = variant(assignment.endpoints[0], lb_endpoints=found)
        return variant(assignment, endpoints=[group])

    def of_cluster(cluster: Cluster) -> Cluster:
        if cluster.load_assignment is None or cluster.name not in wanted.endpoints:
            return cluster
        return variant(cluster, load_assignment=changed(cluster.load_assignment))

    return replace(
        config,
        clusters=tuple(of_cluster(each) for each in config.clusters),
        endpoints=tuple(changed(each) for each in config.endpoints),
        routes=tuple(_routed(each, wanted.routes) for each in config.routes),
    )


def _assignments(config: ProxyConfig) -> Iterator[ClusterLoadAssignment]:
    yield from config.endpoints
    for cluster in config.clusters:
        if cluster.load_assignment is not None:
            yield cluster.load_assignment


def _endpoints(assignment: ClusterLoadAssignment) -> Iterator[LbEndpoint]:
    for group in assignment.endpoints:
        yield from group.lb_endpoints


def _address(endpoint: LbEndpoint) -> Address | None:
    address = endpoint.endpoint.address if endpoint.endpoint is not None else None
    socket = address.socket_address if address is not None else None
    return (socket.address, socket.port_value or 0) if socket is not None else None


def _routed(config: RouteConfiguration, routes: Mapping[str, Mapping[str, int]]) -> RouteConfiguration:
    hosts = [
        variant(host, routes=[_led(route, routes) for route in host.routes]) for host in config.virtual_hosts
    ]
    return variant(config, virtual_hosts=hosts) if routes else config


def _led(route: Route, routes: Mapping[str, Mapping[str, int]]) -> Route:
    action = route.route
    if action is None or action.cluster is None or action.cluster not in routes:
        return route
    shares = [
        WeightedClusterClusterWeight(name=name, weight=weight)
        for name, weight in routes[action.cluster].items()
    ]
    if len(shares) == 1:
        return variant(route, route=variant(action, cluster=shares[0].name))
    weighted = WeightedCluster(clusters=shares)
    return variant(route, route=variant(action, cluster=None, weighted_clusters=weighted))
