"""What a scenario asks of the translated resources: `run` refuses what is missing, `check` reports it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from envoy_data_plane.envoy.config.cluster.v3 import Cluster

from bench.errors import Position
from bench.istio.problem import Problem
from bench.placement import same_endpoint
from bench.scenario import Node, Scenario
from bench.scenario.folder import credential_files
from bench.translate import ProxyConfig, reachable_clusters, upstream_http

Locate = Callable[..., Position]
"""Gives ``file:line`` of a field of the scenario, by the steps that lead to it."""


def unmet_demands(
    scenario: Scenario, configs: Iterable[ProxyConfig], locate: Locate, folder: Path
) -> Iterator[Problem]:
    """Give what *scenario* needs and *configs*, one for each proxy, or the files in *folder* do not have."""
    if scenario.tls.credentials:
        from bench.preparation.own_files import credential_problems  # noqa: PLC0415 - brings cryptography

        lines = {name: locate("tls", "credentials", name) for name in scenario.tls.credentials}
        yield from credential_problems(scenario, folder, lines)
    yield from _unspoken_protocols(scenario, locate)
    yield from _endless_lines(scenario, locate)
    configs = tuple(configs)
    yield from _unspoken_to_proxies(scenario, configs, locate)
    for config in configs:
        yield from _missing_listeners(scenario, config, locate)
        yield from _missing_files(scenario, config, locate)


def _unspoken_protocols(scenario: Scenario, locate: Locate) -> Iterator[Problem]:
    """Requests whose protocol reaches a node as the client speaks it, and which that node does not speak."""
    for request in scenario.traffic.mix:
        for name in request.expect.nodes if not request.is_plain_http else ():
            node = scenario.nodes[name]
            wants_http2 = request.protocol in ("http/2", "grpc")
            if wants_http2 and not node.is_http2:
                what, remedy = "HTTP/2", "`protocol: http/2`"
            elif (request.protocol == "bytes") is not (node.protocol == "bytes"):
                what = "bytes" if request.protocol == "bytes" else "HTTP"
                remedy = "`protocol: bytes`" if what == "bytes" else "`protocol: http/1.1`"
            else:
                continue
            yield Problem(
                locate("traffic", "requests", request.key),
                f"request {request.key} speaks {what}, which proxies pass on, and node {name} does not.",
                f"Give the node {remedy}, or call another way.",
            )


def _endless_lines(scenario: Scenario, locate: Locate) -> Iterator[Problem]:
    """Requests of bytes that a node, which answers each whole line, would wait for the end of."""
    for request in scenario.traffic.mix:
        waiting = [
            name
            for name in request.expect.nodes
            if scenario.nodes[name].protocol == "bytes" and not scenario.nodes[name].greets
        ]
        if waiting and request.protocol == "bytes" and b"\n" not in request.written.content:
            yield Problem(
                locate("traffic", "requests", request.key),
                f"request {request.key} sends no end of a line, and node {waiting[0]} answers whole lines:"
                " each would wait for the other.",
                "End its body with a line break (the byte 0x0a), or write `greets: true` for the node.",
            )


def _unspoken_to_proxies(
    scenario: Scenario, configs: Iterable[ProxyConfig], locate: Locate
) -> Iterator[Problem]:
    """Nodes that must answer plain HTTP and do not speak what the proxies in front of them do."""
    plays = {
        same_endpoint(address): name
        for name in dict.fromkeys(
            name for request in scenario.traffic.mix if request.is_plain_http for name in request.expect.nodes
        )
        for address in scenario.nodes[name].plays
    }
    reported: set[str] = set()
    for config in configs:
        reached = reachable_clusters((), config.routes)
        addresses = config.addresses
        for cluster in config.clusters:
            for endpoint in addresses.get(cluster.name, ()) if cluster.name in reached else ():
                name = plays.get(same_endpoint(endpoint), "")
                wanted = _wanted(cluster, scenario.nodes[name]) if name else None
                if wanted is None or name in reported:
                    continue
                reported.add(name)
                yield Problem(
                    locate("nodes", name),
                    f"{config.proxy} speaks {wanted} to node {name}, by its cluster {cluster.name}, and the"
                    f" node speaks {_spoken_by(scenario.nodes[name])}.",
                    f"Give the node `protocol: {wanted.lower()}`, or the service's port another protocol.",
                )


def _wanted(cluster: Cluster, node: Node) -> str | None:
    """What *cluster* speaks, where *node* does not; by ALPN a node of HTTP/2 speaks HTTP/1.1 as well."""
    spoken = upstream_http(cluster)
    if spoken == "http/2" and not node.is_http2:
        return "HTTP/2"
    if node.protocol == "bytes" or (
        spoken == "http/1.1" and node.is_http2 and not _speaks_tls(cluster, node)
    ):
        return "HTTP/1.1"
    return None


def _speaks_tls(cluster: Cluster, node: Node) -> bool:
    return node.tls != "none" if node.tls is not None else cluster.transport_socket is not None


def _spoken_by(node: Node) -> str:
    return "bytes" if node.protocol == "bytes" else "HTTP/2 alone" if node.is_http2 else "HTTP/1.1"


def _missing_listeners(scenario: Scenario, config: ProxyConfig, locate: Locate) -> Iterator[Problem]:
    ports = sorted({address[1] for address in config.listener_addresses})
    listed = ", ".join(map(str, ports)) or "none"
    reported: set[int] = set()
    for request in scenario.traffic.mix:
        if request.client != config.proxy or request.port in ports or request.port in reported:
            continue
        reported.add(request.port)
        own = request.written.url is not None
        yield Problem(
            locate("traffic", "requests", request.key, "url") if own else locate("traffic", "url"),
            f"the client calls port {request.port}, and {config.proxy} has no listener there;"
            f" its ports: {listed}.",
            "Call a port that the Istio resources open for it.",
        )


def _missing_files(scenario: Scenario, config: ProxyConfig, locate: Locate) -> Iterator[Problem]:
    tls = scenario.tls
    made = set(tls.files)
    for credential in tls.credentials:
        files = credential_files(credential)
        made |= {files.certificate, files.private_key, files.ca}
    if tls.workload is not None:
        made |= {tls.workload.certificate, tls.workload.private_key, tls.workload.ca}
    for name in config.files:
        if name not in made and not Path(name).is_file():
            yield Problem(
                locate("tls", "files"),
                f"the configuration of {config.proxy} names {name}, which neither exists nor is made.",
                f"Say what it is: add `{name}: ca.crt`, client.crt or client.key.",
            )
