"""The gateway's end of mutual TLS: nodes with a wrong certificate, each of which it must refuse.

The nodes' own end, clients with a wrong certificate, is in ``client_tls_controls``. This needs nodes that
change their certificate, so it has a stack of its own that carries no load.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.certs import WRONG, Material
from bench.headers import ID_HEADER, NODE_HEADER
from bench.result import VerificationLine
from bench.scenario import MixedRequest, Scenario
from bench.stack import ClientPlace, ComponentFaults, Stack
from bench.telemetry import Admin
from bench.verify.calls import Answer, Call, make_calls
from bench.verify.path_calls import path_request
from bench.verify.upstream_tls_expectation import UpstreamChecks
from bench.verify.walkthrough import path_check

_REFUSED = r"\.ssl\.fail_verify_(error|san)$"
"""Counters of handshakes in which Envoy did not trust the other side."""
_TRIES = 20
_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Probed:
    """One control and what its cause is found by."""

    line: VerificationLine
    request: MixedRequest
    id: str
    """Of the last call, in the logs of the stack."""
    answer: Answer


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
        StackError: a node does not take its configuration.
    """
    probes = [probe for probe in _probes(stack, scenario) if expected.get(probe.name)]
    if not probes:
        return ()
    nodes = list(scenario.nodes.items())
    asked = []
    ids = (f"tls/{number:013d}" for number in itertools.count())
    with ExitStack() as opened:
        admins = {
            name: opened.enter_context(Admin(stack.component(name).admin_url or "", name=name))
            for name in scenario.traffic.exits
        }
        for kind in WRONG:
            _use(stack, faults, {name: material.wrong(kind, node.set, node=name) for name, node in nodes})
            for probe in probes:
                accepts = {checks.accepts(kind) for checks in expected[probe.name]}
                if len(accepts) == 1:
                    asked.append(probe.ask(admins[probe.exit], kind, ids, accepts=accepts.pop()))
        _use(stack, faults, {name: material.of_node(name, node.set) for name, node in nodes})
        asked += [probe.ask(admins[probe.exit], "right", ids, accepts=True) for probe in probes]
    return tuple(asked)


def _use(stack: Stack, faults: ComponentFaults, certificates: Mapping[str, Path]) -> None:
    """Give each node that speaks TLS the certificates of its folder."""
    for node, folder in certificates.items():
        if stack.component(node).tls != "none":
            faults.use_certificates(node, folder)
    stack.check_alive()


@dataclass(frozen=True, slots=True)
class _Probe:
    """One subset, called through the path."""

    name: str
    request: MixedRequest
    call: Call
    place: ClientPlace | None
    """Where the client is."""
    exit: str
    """The proxy that speaks to the node."""

    def ask(self, admin: Admin, kind: str, ids: Iterator[str], *, accepts: bool) -> Probed:
        """Call, until the connections from before are gone, whose end may be met first, and judge."""
        right = str(self.request.expect.status)
        for _ in range(_TRIES):
            before, request_id = _refusals(admin), next(ids)
            (answer,) = make_calls([self.call.with_header(ID_HEADER, request_id)], self.place)
            refused = _refusals(admin) - before
            node = answer.headers.get(NODE_HEADER)
            passed = (
                str(answer.status) == right and node is not None
                if accepts
                else answer.status == 503 and node is None and refused > 0
            )
            if passed:
                break
            time.sleep(_AGAIN_S)
        got = str(answer.status) if answer.status is not None else answer.error or "nothing"
        what = "names" if kind == "wrong-san" else "certificates"
        unchecked = right if kind == "right" else f"{right} ({what} are not checked)"
        line = VerificationLine(
            name=f"{self.name}, node cert {kind}",
            sent=f"{self.name} through the path, all nodes with a certificate of the kind {kind}",
            expected=unchecked if accepts else "503 handshake refused",
            got=f"{got}{' handshake refused' if refused else ''}",
            node=node,
            passed=passed,
            kind="tls-control",
        )
        return Probed(line, self.request, request_id, answer)


def _refusals(admin: Admin) -> int:
    return sum(admin.stats(_REFUSED).values())


def _probes(stack: Stack, scenario: Scenario) -> list[_Probe]:
    """Requests that proxies read, to nodes: of others they pass the client's own TLS on."""
    traffic = scenario.traffic
    return [
        _Probe(
            request.name,
            request,
            path_check(stack, scenario, path_request(request)).call,
            stack.client(request.client),
            traffic.gateway or request.client,
        )
        for request in traffic.mix
        if request.expect.nodes and request.is_plain_http
    ]
