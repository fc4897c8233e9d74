"""Where the resources lead each request of the traffic, and which go to nodes past any gateway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bench.istio.cluster_names import cluster_name
from bench.istio.inventory import Inventory
from bench.istio.registry import Registry
from bench.istio.resource import Resources
from bench.placement import Address
from bench.preparation.mesh_dns import dialled_addresses
from bench.routing import Branch, Connection, Decision, Delivered, Request, Router
from bench.scenario import MixedRequest, Traffic, host_of
from bench.translate import ProxyConfig


@dataclass(frozen=True, slots=True)
class Course:
    """Where the resources lead a traffic."""

    called: Mapping[str, tuple[str, ...]]
    """Host of a request -> the addresses that its client dials, where there are some."""
    decisions: Mapping[str, Decision]
    """What the resources say of each request, by name."""
    delivered: Mapping[str, Mapping[str, tuple[Address, ...]]]
    """Where requests come out, by the proxy that sends them there and its cluster."""

    def known_to(self, config: ProxyConfig) -> ProxyConfig:
        """Say of clusters of *config* without endpoints where the traffic means to go by them."""
        known = config.addresses
        delivered = self.delivered.get(config.proxy, {})
        onward = {name: ends for name, ends in delivered.items() if name not in known}
        return replace(config, onward=onward) if onward else config


def course_of(registry: Registry, resources: Resources, inventory: Inventory, traffic: Traffic) -> Course:
    """Follow each request of *traffic* by the resources."""
    called = dialled_addresses(registry, traffic)
    router = Router(resources, inventory)
    decisions = {each.name: decision_of(router, each, called.get(each.host, ())) for each in traffic.mix}
    return Course(called, decisions, delivered_by(decisions.values()))


def straight_requests(
    mix: Iterable[MixedRequest], decisions: Mapping[str, Decision]
) -> Mapping[str, frozenset[str]]:
    """Give the requests that no gateway delivers, by name -> the sidecar's clusters that lead to nodes.

    What cannot be judged is not among them.
    """
    found = {each.name: _straight(each, decisions[each.name]) for each in mix}
    return {name: clusters for name, clusters in found.items() if clusters}


def _straight(request: MixedRequest, decision: Decision) -> frozenset[str]:
    return frozenset(
        cluster
        for branch, cluster, _ in _delivered(decision)
        if all(hop.proxy == request.client for hop in branch.hops)
    )


def delivered_by(decisions: Iterable[Decision]) -> Mapping[str, Mapping[str, tuple[Address, ...]]]:
    """Give where requests come out, by the proxy that sends them there and its cluster."""
    found: dict[str, dict[str, dict[Address, None]]] = {}
    for decision in decisions:
        for branch, cluster, ends in _delivered(decision):
            clusters = found.setdefault(branch.hops[-1].proxy, {})
            clusters.setdefault(cluster, {}).update(dict.fromkeys(ends))
    return {proxy: {name: tuple(ends) for name, ends in each.items()} for proxy, each in found.items()}


def _delivered(decision: Decision) -> Iterator[tuple[Branch, str, tuple[Address, ...]]]:
    for branch in decision.branches:
        if isinstance(branch.outcome, Delivered):
            to = branch.outcome.destination
            ends = tuple((each.address, each.port) for each in to.endpoints)
            yield branch, cluster_name(to.host, to.port, to.subset), ends


def decision_of(router: Router, request: MixedRequest, called: tuple[str, ...]) -> Decision:
    """What the resources say of *request*: as HTTP where proxies read it, else as a connection."""
    if request.is_plain_http:
        return router.decide(routed(request, called))
    sni = request.server_name if request.tls is not None else None
    return router.connect(Connection(request.port, next(iter(called), ""), sni, request.client))


def routed(request: MixedRequest, called: tuple[str, ...]) -> Request:
    """Give one of plain HTTP as the second opinion knows it; *called*: the addresses of its host."""
    host, headers = host_of(request.headers, request.authority)
    path, _, query = request.path.partition("?")
    return Request(
        host,
        request.port,
        path,
        request.method,
        tuple(headers.items()),
        query,
        request.client,
        next(iter(called), ""),
    )
