"""The table before any load: each call of the scenario and each TLS control, sent once and judged.

A wrong line stops the run: load on a path that routes wrongly measures nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.errors import MeasurementError
from bench.result import VerificationLine
from bench.scenario.models import Expect, Scenario
from bench.stack.protocol import Component, Stack
from bench.translate.placement import Address

_TIMEOUT_S = 10.0
_NODE_HEADER = "x-node"


@dataclass(frozen=True, slots=True)
class Identity:
    """A client certificate and its key."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class Identities:
    """What the TLS controls present to the nodes."""

    ca: Path
    """The CA that signed the nodes' certificates."""
    right: Identity
    foreign: Identity
    """Signed by another CA, otherwise the same."""


def verify(stack: Stack, scenario: Scenario, identities: Identities) -> tuple[VerificationLine, ...]:
    """Call everything once through the running *stack*; a call that cannot be made is a failed line."""
    return (
        *_calls_through_the_path(stack.component(scenario.traffic.client), scenario),
        *_tls_controls(
            [part for part in stack.components() if part.role == "node"],
            scenario,
            identities,
        ),
    )


def _calls_through_the_path(sidecar: Component, scenario: Scenario) -> Iterator[VerificationLine]:
    traffic = scenario.traffic
    host, port = client_address(sidecar, traffic.port)
    calls = [
        _Call(
            name=f"{name} from {traffic.client}",
            method=subset.method,
            host=traffic.host,
            path=subset.path or traffic.path,
            headers=subset.headers,
            body=subset.body,
            expect=subset.expect,
        )
        for name, subset in traffic.subsets.items()
    ] + [
        _Call(
            name=control.name,
            method=control.method,
            host=control.host or traffic.host,
            path=control.path or traffic.path,
            headers=control.headers,
            body="",
            expect=control.expect,
        )
        for control in scenario.controls
    ]
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=_TIMEOUT_S) as client:
        for call in calls:
            yield call.made_by(client)


def client_address(sidecar: Component, port: int) -> Address:
    """Where the client beside *sidecar* really sends what it addresses to *port*.

    Raises:
        MeasurementError: the sidecar does not listen there.
    """
    for (_, translated_port), real in sidecar.addresses.items():
        if translated_port == port:
            return real
    raise MeasurementError(
        f"{sidecar.name} has no listener on port {port}.",
        remedy="Call a port in traffic.url that the Istio resources open for it.",
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """One request through the path and the answer it must get."""

    name: str
    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: str
    expect: Expect

    def made_by(self, client: httpx.Client) -> VerificationLine:
        try:
            answer = client.request(
                self.method,
                self.path,
                headers={"host": self.host, **self.headers},
                content=self.body or None,
            )
        except httpx.HTTPError as error:
            return self._line(got=_reason(error), node=None, passed=False)
        expect = self.expect
        node = answer.headers.get(_NODE_HEADER)
        right_status = answer.status_code == expect.status
        right_node = node in expect.nodes if expect.nodes else node is None
        right_body = expect.body_contains is None or expect.body_contains in answer.text
        got = f"{answer.status_code}{_from((node,) if node else ())}"
        if right_status and not right_body:
            got += ", wrong body"
        return self._line(got=got, node=node, passed=right_status and right_node and right_body)

    def _line(self, *, got: str, node: str | None, passed: bool) -> VerificationLine:
        method = "" if self.method == "GET" else f"-X {self.method} "
        headers = "".join(f" -H '{key}: {value}'" for key, value in self.headers.items())
        return VerificationLine(
            name=self.name,
            sent=f"{method}http://{self.host}{self.path}{headers}",
            expected=f"{self.expect.status}{_from(self.expect.nodes)}",
            got=got,
            node=node,
            passed=passed,
        )


@dataclass(frozen=True, slots=True)
class _TlsControl:
    """One way to knock at a node's TLS port, and the answer that nginx must give."""

    name: str
    identity: Identity | None
    status: int
    marker: str

    def made_at(self, node: Component, ca: Path) -> VerificationLine:
        host, port = next(iter(node.addresses.values()))
        context = ssl.create_default_context(cafile=ca)
        if self.identity is not None:
            context.load_cert_chain(self.identity.certificate, self.identity.private_key)
        try:
            answer = httpx.get(f"https://{host}:{port}/", verify=context, timeout=_TIMEOUT_S)
        except httpx.HTTPError as error:
            got, answered, passed = _reason(error), None, False
        else:
            marked = self.marker in answer.text
            got = f"{answer.status_code}{f' {self.marker}' if marked else ', other page'}"
            answered = answer.headers.get(_NODE_HEADER)
            passed = answer.status_code == self.status and marked and answered == node.name
        return VerificationLine(
            name=f"{node.name}, {self.name}",
            sent=f"https://{node.name}/ directly",
            expected=f"{self.status} {self.marker}",
            got=got,
            node=answered,
            passed=passed,
        )


def _tls_controls(
    nodes: Sequence[Component], scenario: Scenario, identities: Identities
) -> Iterator[VerificationLine]:
    for node in nodes:
        for control in (
            _TlsControl("no client certificate", None, 400, "No required SSL certificate was sent"),
            _TlsControl("certificate of another CA", identities.foreign, 400, "The SSL certificate error"),
            _TlsControl("right certificate", identities.right, 200, f"{scenario.nodes[node.name].page}!"),
        ):
            yield control.made_at(node, identities.ca)


def _from(nodes: Sequence[str]) -> str:
    return f" from {' or '.join(nodes)}" if nodes else " from a proxy"


def _reason(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
