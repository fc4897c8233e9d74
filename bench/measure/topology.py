"""Who sends to whom, by the Istio resources: which clusters lead to the gateway, and which to which nodes.

Read from the translation with Istio's own addresses, never from the running proxies: what they do is what the
ledger judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment

from bench.placement import Address
from bench.preparation import Prepared
from bench.translate import ConfigSource, ProxyConfig


@dataclass(frozen=True, slots=True)
class Topology:
    """The path of the load, hop by hop."""

    sidecar: str
    gateway: str
    sidecar_clusters: tuple[str, ...]
    """All clusters of the sidecar."""
    gateway_clusters: tuple[str, ...]
    to_gateway: tuple[str, ...]
    """The sidecar's clusters with an endpoint that is the gateway."""
    cluster_nodes: Mapping[str, tuple[str, ...]]
    """The gateway's clusters with nodes behind them -> the names of the nodes."""
    replicas: tuple[str, ...] = ()
    """Further gateways that are replicas of ``gateway``: what they count adds up with it."""

    @property
    def gateways(self) -> tuple[str, ...]:
        """The gateway and its replicas."""
        return (self.gateway, *self.replicas)


def topology_of(prepared: Prepared, source: ConfigSource) -> Topology:
    """The topology of the scenario's load."""
    scenario = prepared.loaded.scenario
    traffic = scenario.traffic
    sidecar = prepared.configs[traffic.client, source]
    gateway = prepared.configs[traffic.exit, source]
    gateways = scenario.inventory.replicas_of(traffic.exit)
    gateway_ips = {scenario.inventory.proxies[name].ip for name in gateways}
    nodes = {each: name for name, node in scenario.nodes.items() for each in node.plays}
    behind = {
        cluster: tuple(sorted({nodes[address] for address in addresses if address in nodes}))
        for cluster, addresses in _endpoints(gateway).items()
    }
    return Topology(
        sidecar=traffic.client,
        gateway=traffic.exit,
        sidecar_clusters=tuple(cluster.name for cluster in sidecar.clusters),
        gateway_clusters=tuple(cluster.name for cluster in gateway.clusters),
        to_gateway=tuple(
            cluster
            for cluster, addresses in _endpoints(sidecar).items()
            if any(ip in gateway_ips for ip, _ in addresses)
        ),
        cluster_nodes={cluster: names for cluster, names in behind.items() if names},
        replicas=gateways[1:],
    )


def _endpoints(config: ProxyConfig) -> dict[str, tuple[Address, ...]]:
    """Cluster -> addresses of its endpoints, as translated."""
    found = {assignment.cluster_name: tuple(_addresses(assignment)) for assignment in config.endpoints}
    for cluster in config.clusters:
        if cluster.load_assignment is not None:
            found[cluster.name] = tuple(_addresses(cluster.load_assignment))
    return found


def _addresses(assignment: ClusterLoadAssignment) -> Iterator[Address]:
    for group in assignment.endpoints:
        for entry in group.lb_endpoints:
            address = entry.endpoint.address if entry.endpoint is not None else None
            socket = address.socket_address if address is not None else None
            if socket is not None:
                yield socket.address, socket.port_value or 0
