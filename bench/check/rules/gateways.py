"""Gateways beside their workloads, their Services and each other (IST0101, IST0138, IST0145, IST0162).

Source of the rules: istio ``pkg/config/analysis/analyzers/gateway``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings, selector_text, selects
from bench.istio.models import Gateway, Server, ServerTLSSettings
from bench.istio.problem import Path
from bench.istio.resource import Resource
from bench.message import say


def selector_path(gateway: Resource[Gateway]) -> Path:
    """Give the place of the first label of the selector."""
    label = min(gateway.spec.selector, default=None)
    return ("spec", "selector") if label is None else ("spec", "selector", label)


def check_gateway_workloads(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0101 for a selector that nothing has, IST0162 for a port that no Service of the pods leads to."""
    for gateway in surroundings.resources.gateways:
        selected = list(surroundings.selected(gateway.spec.selector))
        known = surroundings.known_workloads
        if surroundings.workloads_are_known and not any(
            selects(gateway.spec.selector, workload.labels) for workload in known
        ):
            yield finding(
                Level.ERROR,
                "IST0101",
                gateway,
                selector_path(gateway),
                say(RuleCase.NO_WORKLOAD, labels=selector_text(gateway.spec.selector)),
            )
            continue
        if not selected:
            continue
        ports = {
            number
            for workload in selected
            for service in surroundings.services
            if service.namespace == workload.namespace and selects(service.spec.selector, workload.labels)
            for port in service.spec.ports
            if port.protocol == "TCP"
            for number in (port.port, port.target_port)
        }
        for index, server in enumerate(gateway.spec.servers):
            if server.port.number not in ports:
                yield _closed_port(gateway, index, server)


def _closed_port(gateway: Resource[Gateway], index: int, server: Server) -> Finding:
    return finding(
        Level.WARNING,
        "IST0162",
        gateway,
        ("spec", "servers", index, "port", "number"),
        say(RuleCase.CLOSED_PORT, labels=selector_text(gateway.spec.selector), port=server.port.number),
    )


def check_gateway_conflicts(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0145: two Gateways of one workload serve one host on one port.

    istioctl also reports Gateways that share no host (its table is changed while it is read); these are left
    out. The older Gateway keeps the host, so the level is a warning.
    """
    gateways = surroundings.resources.gateways
    for gateway in gateways:
        rivals = [
            other
            for other in gateways
            if other is not gateway and _share_a_workload(surroundings, gateway, other)
        ]
        for index, server in enumerate(gateway.spec.servers):
            for other in rivals:
                shared = _shared_hosts(server, other)
                if shared:
                    yield _conflict(gateway, index, other, shared)


def _share_a_workload(
    surroundings: Surroundings, gateway: Resource[Gateway], other: Resource[Gateway]
) -> bool:
    one, two = gateway.spec.selector, other.spec.selector
    if one == two:
        return True
    if not (selects(one, two) or selects(two, one)):
        return False
    return any(selects(two, workload.labels) for workload in surroundings.selected(one))


def _shared_hosts(server: Server, other: Resource[Gateway]) -> list[str]:
    return [
        host
        for host in server.hosts
        if any(
            host in theirs.hosts and theirs.port.number == server.port.number and theirs.bind == server.bind
            for theirs in other.spec.servers
        )
    ]


def _conflict(gateway: Resource[Gateway], index: int, other: Resource[Gateway], shared: list[str]) -> Finding:
    first = gateway if gateway.order < other.order else other
    return finding(
        Level.WARNING,
        "IST0145",
        gateway,
        ("spec", "servers", index, "hosts"),
        say(
            RuleCase.HOST_SERVED_TWICE,
            other=other.title,
            place=other.position(("spec", "servers")),
            hosts=tuple(shared),
            first=first.title,
        ),
    )


def check_shared_certificates(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0138: two Gateways of one workload present the same certificate, so HTTP/2 clients mix them up."""
    gateways = surroundings.resources.gateways
    for gateway in gateways:
        for other in gateways:
            if other is gateway or not selects(gateway.spec.selector, other.spec.selector):
                continue
            if any(
                _same_certificate(server.tls, theirs.tls)
                for server in gateway.spec.servers
                for theirs in other.spec.servers
            ):
                yield finding(
                    Level.WARNING,
                    "IST0138",
                    gateway,
                    ("spec", "servers"),
                    say(RuleCase.SHARED_CERTIFICATE, other=other.title),
                )


def _same_certificate(one: ServerTLSSettings | None, two: ServerTLSSettings | None) -> bool:
    if one is None or two is None:
        return False
    if one.credential_name or two.credential_name:
        return one.credential_name == two.credential_name
    pair = (one.server_certificate, one.private_key)
    return all(pair) and pair == (two.server_certificate, two.private_key)
