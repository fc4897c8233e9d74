"""The table before any load: each call of the scenario and each TLS control, sent once and judged.

A wrong line stops the run: load on a path that routes wrongly measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.certs.material import Material
from bench.errors import MeasurementError
from bench.placement import Address
from bench.preparation import CERTIFIED_ADDRESS
from bench.result import VerificationLine
from bench.scenario.models import Expect, Scenario
from bench.stack import Component, Stack
from bench.verify.calls import CONNECT_ONLY, Answer, Call, ClientTls, make_calls

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
    expired: Identity
    not_yet_valid: Identity

    @classmethod
    def of(cls, material: Material) -> Identities:
        """Those that were made for a scenario."""
        return cls(
            ca=material.live / "ca.crt",
            right=_identity(material.live),
            foreign=_identity(material.wrong("other-ca")),
            expired=_identity(material.wrong("expired")),
            not_yet_valid=_identity(material.wrong("not-yet-valid")),
        )


def _identity(folder: Path) -> Identity:
    return Identity(certificate=folder / "client.crt", private_key=folder / "client.key")


def verify(stack: Stack, scenario: Scenario, identities: Identities) -> tuple[VerificationLine, ...]:
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
    controls = list(_tls_controls(nodes, scenario, identities))
    with ThreadPoolExecutor(1) as aside:
        # The one waits for a program in the pod, the other calls from here.
        calling = aside.submit(make_calls, [check.call for check in checks], place)
        direct = make_calls([control.call for control in controls])
        through = calling.result()
    return (
        *(check.judge(answer) for check, answer in zip(checks, through, strict=True)),
        *(control.judge(answer) for control, answer in zip(controls, direct, strict=True)),
    )


def path_requests(scenario: Scenario) -> Iterator[PathRequest]:
    """The scenario's own requests, one of each subset, and its controls."""
    traffic = scenario.traffic
    for name, subset in traffic.subsets.items():
        yield PathRequest(
            name=f"{name} from {traffic.client}",
            method=subset.method,
            host=traffic.host,
            path=subset.path or traffic.path,
            headers=subset.headers,
            body=subset.body,
            expect=subset.expect,
        )
    for control in scenario.controls:
        yield PathRequest(
            name=control.name,
            method=control.method,
            host=control.host or traffic.host,
            path=control.path or traffic.path,
            headers=control.headers,
            body="",
            expect=control.expect,
        )


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


class _Check(Protocol):
    """One call and how its answer is judged."""

    @property
    def call(self) -> Call:
        """What is asked."""

    def judge(self, answer: Answer) -> VerificationLine:
        """What the table says of the answer."""


@dataclass(frozen=True, slots=True)
class PathRequest:
    """One request through the path and the answer it must get."""

    name: str
    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: str
    expect: Expect


@dataclass(frozen=True, slots=True)
class PathCheck:
    """One request through the path, sent to *base*, and its line of the table."""

    request: PathRequest
    base: str
    """``http://ADDRESS:PORT`` or ``https://ADDRESS:PORT``; the Host header is the request's own."""
    tls: ClientTls | None = None

    @property
    def call(self) -> Call:
        """What is asked."""
        request = self.request
        return Call(
            url=f"{self.base}{request.path}",
            method=request.method,
            headers={"host": request.host, **request.headers},
            body=request.body,
            tls=self.tls,
        )

    def judge(self, answer: Answer) -> VerificationLine:
        """What the table says of the answer."""
        expect = self.request.expect
        if answer.status is None:
            return self._line(got=answer.error or "nothing", node=None, passed=False)
        node = answer.headers.get(_NODE_HEADER)
        right_status = answer.status == expect.status
        right_node = node in expect.nodes if expect.nodes else node is None
        right_body = expect.body_contains is None or expect.body_contains in answer.text
        got = f"{answer.status}{_from((node,) if node else ())}"
        if right_status and not right_body:
            got += ", wrong body"
        return self._line(got=got, node=node, passed=right_status and right_node and right_body)

    def _line(self, *, got: str, node: str | None, passed: bool) -> VerificationLine:
        request = self.request
        method = "" if request.method == "GET" else f"-X {request.method} "
        headers = "".join(f" -H '{key}: {value}'" for key, value in request.headers.items())
        return VerificationLine(
            name=request.name,
            sent=f"{method}http://{request.host}{request.path}{headers}",
            expected=f"{request.expect.status}{_from(request.expect.nodes)}",
            got=got,
            node=node,
            passed=passed,
        )


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
        )


@dataclass(frozen=True, slots=True)
class _TlsControl:
    """One way to knock at a node's TLS port, and the answer that nginx must give."""

    name: str
    node: Component
    ca: Path | None
    """None: no TLS at all."""
    identity: Identity | None
    status: int
    marker: str

    @property
    def call(self) -> Call:
        host, port = next(iter(self.node.addresses.values()))
        identity = self.identity
        if self.ca is None:
            return Call(url=f"http://{host}:{port}/")
        return Call(
            url=f"https://{host}:{port}/",
            tls=ClientTls(
                ca=str(self.ca),
                server_name=CERTIFIED_ADDRESS,
                certificate=str(identity.certificate) if identity is not None else None,
                private_key=str(identity.private_key) if identity is not None else None,
            ),
        )

    def judge(self, answer: Answer) -> VerificationLine:
        if answer.status is None:
            got, answered, passed = answer.error or "nothing", None, False
        else:
            marked = self.marker in answer.text
            got = f"{answer.status}{f' {self.marker}' if marked else ', other page'}"
            answered = answer.headers.get(_NODE_HEADER)
            passed = answer.status == self.status and marked and answered == self.node.name
        return VerificationLine(
            name=f"{self.node.name}, {self.name}",
            sent=f"{'http' if self.ca is None else 'https'}://{self.node.name}/ directly",
            expected=f"{self.status} {self.marker}",
            got=got,
            node=answered,
            passed=passed,
        )


def _tls_controls(
    nodes: Sequence[Component], scenario: Scenario, identities: Identities
) -> Iterator[_TlsControl]:
    for node in nodes:
        for name, identity, status, marker in (
            ("no client certificate", None, 400, "No required SSL certificate was sent"),
            ("certificate of another CA", identities.foreign, 400, "The SSL certificate error"),
            ("expired certificate", identities.expired, 400, "The SSL certificate error"),
            ("certificate not yet valid", identities.not_yet_valid, 400, "The SSL certificate error"),
            ("right certificate", identities.right, 200, f"{scenario.nodes[node.name].page}!"),
        ):
            yield _TlsControl(name, node, identities.ca, identity, status, marker)
        yield _TlsControl(
            name="plain HTTP to its TLS port",
            node=node,
            ca=None,
            identity=None,
            status=400,
            marker="The plain HTTP request was sent to HTTPS port",
        )


def _from(nodes: Sequence[str]) -> str:
    return f" from {' or '.join(nodes)}" if nodes else " from a proxy"
