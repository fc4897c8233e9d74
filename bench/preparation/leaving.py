"""Where the resources lead each request of the traffic, and which go to nodes past any gateway."""

from __future__ import annotations

from collections.abc import Mapping

from bench.istio.cluster_names import cluster_name
from bench.istio.registry import Registry
from bench.preparation.mesh_dns import virtual_addresses
from bench.routing import Connection, Decision, Delivered, Request, Router
from bench.scenario import MixedRequest, Scenario, host_of


def straight_requests(scenario: Scenario, registry: Registry, router: Router) -> Mapping[str, frozenset[str]]:
    """Give the requests that no gateway delivers, by name -> the sidecar's clusters that lead to nodes.

    What cannot be judged is not among them.
    """
    traffic = scenario.traffic
    called = virtual_addresses(registry, (each.host for each in traffic.mix))
    found = {
        each.name: _straight(each, decision_of(router, each, called.get(each.host, ())))
        for each in traffic.mix
    }
    return {name: clusters for name, clusters in found.items() if clusters}


def _straight(request: MixedRequest, decision: Decision) -> frozenset[str]:
    return frozenset(
        cluster_name(
            branch.outcome.destination.host,
            branch.outcome.destination.port,
            branch.outcome.destination.subset,
        )
        for branch in decision.branches
        if isinstance(branch.outcome, Delivered) and all(hop.proxy == request.client for hop in branch.hops)
    )


def decision_of(router: Router, request: MixedRequest, called: tuple[str, ...]) -> Decision:
    """What the resources say of *request*: as HTTP where proxies read it, else as a connection."""
    if request.is_plain_http:
        host, headers = host_of(request.headers, request.authority)
        path, _, query = request.path.partition("?")
        return router.decide(
            Request(host, request.port, path, request.method, tuple(headers.items()), query, request.client)
        )
    sni = request.server_name if request.tls is not None else None
    return router.connect(Connection(request.port, next(iter(called), ""), sni, request.client))
