"""The table before any load: each call of the scenario and each TLS control, sent once and judged.

A wrong line stops the run: load on a path that routes wrongly measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.result import VerificationLine
from bench.scenario import Scenario
from bench.stack import Component, Stack
from bench.stack.client_address import client_address
from bench.verify.callers import Callers
from bench.verify.calls import CONNECT_ONLY, Answer, Call, ClientTls, answer_calls
from bench.verify.client_tls_controls import Identities, client_tls_controls
from bench.verify.path_calls import PathCheck, PathRequest, path_requests

_TRIES = 20
"""Of a call to nodes that give wrong answers on purpose."""


def verify(
    stack: Stack, scenario: Scenario, identities: Mapping[str, Identities]
) -> tuple[VerificationLine, ...]:
    """Call everything once through the running *stack*; a call that cannot be made is a failed line.

    Calls through the path come from where the client runs. Where that is a place of its own, further lines
    prove that it has no other way to the nodes.

    Raises:
        MeasurementError: the client's place cannot make calls.
    """
    traffic = scenario.traffic
    nodes = [part for part in stack.components() if part.role == "node"]
    checks = path_checks(stack, scenario)
    controls = list(client_tls_controls(nodes, scenario, identities))
    has_own_place = stack.client(traffic.client) is not None
    is_barred = has_own_place and not stack.spec.leaves_mesh(traffic.client)
    barred = [_NoWayCheck(node, traffic.client) for node in nodes] if is_barred else []
    with Callers(stack) as callers, ThreadPoolExecutor(1) as aside:
        # The one waits for a program in the pod, the other calls from here.
        calling = aside.submit(_ask, callers, scenario, checks)
        direct = answer_calls([control.call for control in controls])
        lines = calling.result()
        tried = callers.beside(traffic.client)([each.call for each in barred]) if barred else ()
    lines += [check.judge(answer) for check, answer in zip(barred, tried, strict=True)]
    return (
        *lines,
        *(control.judge(answer) for control, answer in zip(controls, direct, strict=True)),
    )


def path_checks(stack: Stack, scenario: Scenario) -> list[PathCheck]:
    """One call of each request and control, to where the client beside its sidecar sends it."""
    return [path_check(stack, scenario, request) for request in path_requests(scenario)]


def path_check(stack: Stack, scenario: Scenario, request: PathRequest) -> PathCheck:
    """The call of one request."""
    mixed, place = request.mixed, stack.client(request.client)
    called = stack.spec.called.get(mixed.host, ())
    address, port = client_address(stack.component(request.client), request.port, called)
    is_redirected = (
        place is not None and scenario.inventory.proxies[request.client].interception == "redirect"
    )
    scheme = mixed.scheme if mixed.is_http else "tcp"
    # Call the service's own name and let DNS and redirection do the rest, as a pod does.
    names_itself = is_redirected and mixed.is_plain_http and request.host == mixed.authority and not called
    base = f"{scheme}://{request.host if names_itself else f'{address}:{port}'}"
    return PathCheck(request, base, _client_tls(stack, request))


def _client_tls(stack: Stack, request: PathRequest) -> ClientTls | None:
    tls = request.mixed.tls
    if tls is None:
        return None
    own = stack.spec.certificates / tls.set if tls.set is not None else stack.spec.certificates
    place = stack.client(request.client)
    give = str if place is None else place.give
    return ClientTls(
        ca=give(own / "ca.crt"),
        server_name=request.mixed.server_name,
        certificate=give(own / "client.crt") if tls.client_certificate else None,
        private_key=give(own / "client.key") if tls.client_certificate else None,
    )


def _ask(callers: Callers, scenario: Scenario, checks: Sequence[PathCheck]) -> list[VerificationLine]:
    """Call everything, each from beside its own sidecar; a node with faults of its own is asked again."""
    lines: dict[int, VerificationLine] = {}
    waiting = list(range(len(checks)))
    for _ in range(_TRIES):
        for client in dict.fromkeys(checks[at].request.client for at in waiting):
            mine = [at for at in waiting if checks[at].request.client == client]
            answers = callers.beside(client)([checks[at].call for at in mine])
            lines |= {at: checks[at].judge(answer) for at, answer in zip(mine, answers, strict=True)}
        waiting = [at for at in waiting if not lines[at].passed and _has_faults(checks[at], scenario)]
        if not waiting:
            break
    return [lines[at] for at in range(len(checks))]


def _has_faults(check: PathCheck, scenario: Scenario) -> bool:
    return any(scenario.nodes[name].faults for name in check.request.expect.nodes)


@dataclass(frozen=True, slots=True)
class _NoWayCheck:
    """The client must not reach a node past the gateway; the TLS controls show that the node is there."""

    node: Component
    client: str

    @property
    def call(self) -> Call:
        host, port = next(iter(self.node.addresses.values()))
        return Call(url=f"https://{host}:{port}", method=CONNECT_ONLY)

    def judge(self, answer: Answer) -> VerificationLine:
        return VerificationLine(
            name=f"{self.node.name} past the gateway",
            sent=f"TLS to {self.node.name} from {self.client}",
            expected="no way",
            got=f"no way: {answer.error}" if answer.error is not None else answer.text,
            node=None,
            passed=answer.error is not None,
            kind="isolation",
        )
