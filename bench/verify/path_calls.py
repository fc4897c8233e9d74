"""The scenario's own requests, one of each subset, and its controls: what each asks for and must get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.headers import NODE_HEADER
from bench.result import VerificationLine
from bench.scenario import Expect, MixedRequest, Scenario
from bench.verify.calls import Answer, Call, ClientTls


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
        node = answer.headers.get(NODE_HEADER)
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


def host_of(headers: Mapping[str, str], otherwise: str) -> tuple[str, dict[str, str]]:
    """Part a Host header, however it is spelt, from the others; without one the host is *otherwise*."""
    host = next((value for name, value in headers.items() if name.lower() == "host"), otherwise)
    return host, {name: value for name, value in headers.items() if name.lower() != "host"}


def request_call(request: MixedRequest, base: str) -> Call:
    """One request of the mix, sent to *base*."""
    host, headers = host_of(request.headers, request.authority)
    return Call(
        url=f"{base}{request.path}",
        method=request.method,
        headers={"host": host, **headers},
        body=request.written.body,
    )


def path_requests(scenario: Scenario) -> Iterator[PathRequest]:
    """The scenario's own requests, one of each kind, and its controls."""
    traffic = scenario.traffic
    for request in traffic.mix:
        host, headers = host_of(request.headers, request.authority)
        yield PathRequest(
            name=f"{request.key} from {request.client}",
            method=request.method,
            host=host,
            path=request.path,
            headers=headers,
            body=request.written.body,
            expect=request.expect,
        )
    for control in scenario.controls:
        host, headers = host_of(control.headers, control.host or traffic.host)
        yield PathRequest(
            name=control.name,
            method=control.method,
            host=host,
            path=control.path or traffic.path,
            headers=headers,
            body="",
            expect=control.expect,
        )


def _from(nodes: Sequence[str]) -> str:
    return f" from {' or '.join(nodes)}" if nodes else " from a proxy"
