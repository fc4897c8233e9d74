"""The gateway's end of mutual TLS: nodes with a wrong certificate, each of which it must refuse.

The nodes' own end, clients with a wrong certificate, is in ``client_tls_controls``. This needs nodes that
change their certificate, so it has a stack of its own that carries no load.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.certs import WRONG, Material, Wrong
from bench.scenario import Scenario
from bench.stack import ComponentFaults, Stack
from bench.telemetry import Admin
from bench.verify.callers import Callers
from bench.verify.path_calls import path_request
from bench.verify.upstream_probes import Probe, Probed, Prober, Refusals
from bench.verify.upstream_tls_expectation import UpstreamChecks
from bench.verify.walkthrough import path_check

_AT_ONCE = 8
"""Calls, and nodes that take a certificate."""


def verify_gateway(
    stack: Stack,
    faults: ComponentFaults,
    scenario: Scenario,
    material: Material,
    expected: Mapping[str, frozenset[UpstreamChecks]],
) -> tuple[Probed, ...]:
    """Give all nodes each wrong certificate in turn, and at last the right one, and call each subset.

    *expected* says for each subset what the gateway checks on its ways; where that differs from way to way,
    a call proves nothing, and none is made.

    Raises:
        MeasurementError: a client's place cannot make calls.
        StackError: a node does not take its configuration.
    """
    probes = _probes(stack, scenario, expected)
    if not probes:
        return ()
    nodes = scenario.nodes.items()
    with ExitStack() as opened:
        admins = {
            name: opened.enter_context(Admin(stack.component(name).admin_url or "", name=name))
            for name in scenario.traffic.exits
        }
        # A pool that the traffic's connections fit into is not overrun by the calls before them either.
        at_once = min(_AT_ONCE, scenario.traffic.connections.count)
        callers = opened.enter_context(Callers(stack))
        prober = Prober(callers.beside, functools.partial(Refusals.read, admins), at_once=at_once)
        probed = []
        for kind in WRONG:
            _use(stack, faults, {name: material.wrong(kind, node.set, node=name) for name, node in nodes})
            probed += prober.ask(kind, _accepted(probes, expected, kind))
        _use(stack, faults, {name: material.of_node(name, node.set) for name, node in nodes})
        probed += prober.ask("right", dict.fromkeys(probes, True))
    return tuple(probed)


def _use(stack: Stack, faults: ComponentFaults, certificates: Mapping[str, Path]) -> None:
    """Give each node that speaks TLS the certificates of its folder."""
    changing = [
        (node, folder) for node, folder in certificates.items() if stack.component(node).tls != "none"
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in [pool.submit(faults.use_certificates, node, folder) for node, folder in changing]:
            done.result()
    stack.check_alive()


def _accepted(
    probes: list[Probe], expected: Mapping[str, frozenset[UpstreamChecks]], kind: Wrong
) -> dict[Probe, bool]:
    """The probes of which it is certain whether the gateway goes on with such nodes."""
    found = {probe: {checks.accepts(kind) for checks in expected[probe.name]} for probe in probes}
    return {probe: accepts.pop() for probe, accepts in found.items() if len(accepts) == 1}


def _probes(
    stack: Stack, scenario: Scenario, expected: Mapping[str, frozenset[UpstreamChecks]]
) -> list[Probe]:
    """Requests that proxies read, to nodes: of others they pass the client's own TLS on."""
    traffic = scenario.traffic
    return [
        Probe(
            request,
            path_check(stack, scenario, path_request(request)).call,
            traffic.gateway or request.client,
            frozenset(checks.cluster for checks in expected[request.name]),
        )
        for request in traffic.mix
        if request.expect.nodes and request.is_plain_http and expected.get(request.name)
    ]
