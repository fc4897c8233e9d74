"""Where the resources lead each request of the traffic, and which sidecars leave the mesh themselves."""

from __future__ import annotations

from bench.istio.registry import Registry
from bench.preparation.mesh_dns import virtual_addresses
from bench.routing import Connection, Decision, Delivered, Request, Router
from bench.scenario import MixedRequest, Scenario, host_of


def leaving_sidecars(scenario: Scenario, registry: Registry, router: Router) -> frozenset[str]:
    """Give the sidecars whose pod must reach nodes: no gateway delivers one of their client's requests.

    Where that cannot be judged, a traffic without a gateway leaves by its sidecars.
    """
    traffic = scenario.traffic
    called = virtual_addresses(registry, (each.host for each in traffic.mix))
    return frozenset(
        each.client
        for each in traffic.mix
        if traffic.gateway is None or _leaves(each, decision_of(router, each, called.get(each.host, ())))
    )


def _leaves(request: MixedRequest, decision: Decision) -> bool:
    return any(
        isinstance(branch.outcome, Delivered) and all(hop.proxy == request.client for hop in branch.hops)
        for branch in decision.branches
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
