"""The table before any load: each call of the scenario and each TLS control, sent once and judged.

A wrong line stops the run: load on a path that routes wrongly measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from bench.result import VerificationLine
from bench.scenario import Scenario
from bench.stack import Component, Stack
from bench.stack.client_address import client_address
from bench.verify.calls import CONNECT_ONLY, Answer, Call, make_calls
from bench.verify.client_tls_controls import Identities, client_tls_controls
from bench.verify.path_calls import PathCheck, path_requests


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
    sidecar = stack.component(traffic.client)
    place = stack.client(traffic.client)
    nodes = [part for part in stack.components() if part.role == "node"]
    is_redirected = (
        place is not None and scenario.inventory.proxies[traffic.client].interception == "redirect"
    )
    address = client_address(sidecar, traffic.port)
    checks: list[_Check] = [
        PathCheck(
            request,
            # Call the service's own name and let DNS and redirection do the rest, as a pod does.
            f"http://{request.host}"
            if is_redirected and request.host == traffic.host
            else f"http://{address[0]}:{address[1]}",
        )
        for request in path_requests(scenario)
    ]
    if place is not None:
        checks += [_NoWayCheck(node, traffic.client) for node in nodes]
    controls = list(client_tls_controls(nodes, scenario, identities))
    with ThreadPoolExecutor(1) as aside:
        # The one waits for a program in the pod, the other calls from here.
        calling = aside.submit(make_calls, [check.call for check in checks], place)
        direct = make_calls([control.call for control in controls])
        through = calling.result()
    return (
        *(check.judge(answer) for check, answer in zip(checks, through, strict=True)),
        *(control.judge(answer) for control, answer in zip(controls, direct, strict=True)),
    )


class _Check(Protocol):
    """One call and how its answer is judged."""

    @property
    def call(self) -> Call:
        """What is asked."""

    def judge(self, answer: Answer) -> VerificationLine:
        """What the table says of the answer."""


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
