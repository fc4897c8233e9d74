"""Who sends to whom, by the Istio resources: which clusters lead to the gateway, and which to which nodes.

Read from the translation with Istio's own addresses, never from the running proxies: what they do is what the
ledger judges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bench.measure.copies import Copying, copying_of
from bench.measure.reading import Gateways, past_gateway, reading_of
from bench.placement import Address
from bench.preparation import Prepared
from bench.translate import ConfigSource, ProxyConfig, reachable_clusters


@dataclass(frozen=True, slots=True)
class Topology:
    """The path of the load, hop by hop."""

    sidecar: str
    """The first of ``sidecars``."""
    gateway: str
    """The proxy that leaves the mesh: the sidecar itself where there is no gateway."""
    sidecar_clusters: tuple[str, ...]
    """All clusters of the sidecars."""
    gateway_clusters: tuple[str, ...]
    to_gateway: tuple[str, ...]
    """The sidecars' clusters with an endpoint that is the gateway."""
    cluster_nodes: Mapping[str, tuple[str, ...]]
    """The clusters with nodes behind them of the proxies that leave the mesh -> the names of the nodes."""
    sidecars: tuple[str, ...] = ()
    """All that clients drive; empty: ``sidecar`` alone."""
    has_gateway: bool = True
    replicas: tuple[str, ...] = ()
    """Further gateways that are replicas of ``gateway``: what they count adds up with it."""
    unread: frozenset[str] = frozenset()
    """Requests of the traffic that sidecars pass on as bytes, whatever their client calls them."""
    read_by_gateway: frozenset[str] = frozenset()
    """Of ``unread``: those that the gateway reads."""
    past_gateway: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The sidecars' clusters whose requests the gateway passes on as bytes -> the nodes behind it."""
    straight: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Beside a gateway: the sidecars' clusters by which requests are to go straight to nodes -> the nodes.
    What goes past the gateway by any other has no account."""
    straight_requests: frozenset[str] = frozenset()
    """Requests of the traffic that no gateway delivers."""
    copied_by_sidecars: Mapping[str, Copying] = field(default_factory=dict)
    """Requests of the traffic that sidecars send to a mirror, too."""
    copied_by_gateways: Mapping[str, Copying] = field(default_factory=dict)

    @property
    def clients(self) -> tuple[str, ...]:
        """The sidecars of all clients."""
        return self.sidecars or (self.sidecar,)

    @property
    def gateways(self) -> tuple[str, ...]:
        """The gateway and its replicas."""
        return (self.gateway, *self.replicas)

    @property
    def proxies(self) -> tuple[str, ...]:
        """All on the way, each once."""
        return (*self.clients, *self.gateways) if self.has_gateway else self.clients


def topology_of(prepared: Prepared, source: ConfigSource) -> Topology:
    """The topology of the scenario's load."""
    scenario = prepared.loaded.scenario
    traffic = scenario.traffic
    sidecars = [prepared.configs[name, source] for name in traffic.senders]
    exits = [prepared.configs[name, source] for name in traffic.exits]
    nodes = {each: name for name, node in scenario.nodes.items() for each in node.plays}
    behind: dict[str, set[str]] = {}
    for config in exits:
        for cluster, addresses in _of_requests(config).items():
            behind.setdefault(cluster, set()).update(nodes[each] for each in addresses if each in nodes)
    gateways = scenario.inventory.replicas_of(traffic.gateway) if traffic.gateway is not None else ()
    gateway_ips = {scenario.inventory.proxies[name].ip for name in gateways}
    behind_gateway = Gateways(
        prepared.configs[gateways[0], source] if gateways else None, frozenset(gateway_ips)
    )
    past: dict[str, tuple[str, ...]] = {}
    for sidecar in sidecars:
        for cluster, onward in past_gateway(sidecar, _of_requests(sidecar), behind_gateway).items():
            ends = (end for config in exits for name in onward for end in config.addresses.get(name, ()))
            past[cluster] = tuple(sorted({nodes[end] for end in ends if end in nodes}))
    meant = {
        (each.client, cluster) for each in traffic.mix for cluster in prepared.straight.get(each.name, ())
    }
    straight = {
        cluster: tuple(sorted({nodes[each] for each in addresses if each in nodes}))
        for sidecar in (sidecars if gateways else ())
        for cluster, addresses in _of_requests(sidecar).items()
        if (sidecar.proxy, cluster) in meant and any(each in nodes for each in addresses)
    }
    reading = reading_of(
        traffic.mix,
        {sidecar.proxy: sidecar for sidecar in sidecars},
        {sidecar.proxy: sidecar.addresses for sidecar in sidecars},
        behind_gateway,
        prepared.called,
    )
    to_gateway = [
        cluster
        for sidecar in sidecars
        for cluster, addresses in _of_requests(sidecar).items()
        if cluster not in past
        and cluster not in reading.carriers
        and any(ip in gateway_ips for ip, _ in addresses)
    ]
    return Topology(
        sidecar=traffic.client,
        gateway=traffic.exit,
        sidecar_clusters=tuple(each for each in _names(sidecars) if each not in reading.carriers),
        gateway_clusters=_names(exits),
        to_gateway=tuple(dict.fromkeys(to_gateway)),
        cluster_nodes={cluster: tuple(sorted(names)) for cluster, names in behind.items() if names},
        sidecars=traffic.senders,
        has_gateway=traffic.gateway is not None,
        replicas=gateways[1:],
        unread=reading.unread,
        read_by_gateway=reading.by_gateway,
        past_gateway=past,
        straight={cluster: names for cluster, names in straight.items() if cluster not in reading.carriers},
        straight_requests=frozenset(prepared.straight),
        copied_by_sidecars=copying_of(
            prepared.decisions, {each.proxy: set(_names([each])) - reading.carriers for each in sidecars}
        ),
        copied_by_gateways=copying_of(
            prepared.decisions, {name: _names([prepared.configs[name, source]]) for name in gateways}
        ),
    )


def _names(configs: Iterable[ProxyConfig]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            cluster.name
            for config in configs
            for cluster in config.clusters
            if cluster.name not in _only_of_bytes(config)
        )
    )


def _of_requests(config: ProxyConfig) -> dict[str, tuple[Address, ...]]:
    """Endpoints of the clusters whose requests Envoy counts."""
    passed = _only_of_bytes(config)
    return {name: ends for name, ends in config.addresses.items() if name not in passed}


def _only_of_bytes(config: ProxyConfig) -> frozenset[str]:
    """Clusters that only TCP proxies lead to: what Envoy counts there as a request is a connection."""
    by_http = reachable_clusters((), config.routes)
    return frozenset(reachable_clusters(config.listeners, ())) - frozenset(by_http)
