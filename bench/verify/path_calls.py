"""The scenario's own requests, one of each subset, and its controls: what each asks for and must get."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.headers import NODE_HEADER
from bench.result import VerificationLine
from bench.scenario import Expect, MixedRequest, Scenario, host_of
from bench.verify.calls import EXCHANGE, Answer, Call, ClientTls


@dataclass(frozen=True, slots=True)
class PathRequest:
    """One request through the path and the answer it must get."""

    name: str
    client: str
    """The sidecar beside which it is sent."""
    port: int
    """That it calls there."""
    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    expect: Expect
    mixed: MixedRequest
    """The request of the mix that it is one of, or that it differs from."""

    @property
    def url(self) -> str:
        """For people."""
        return f"{self.mixed.scheme}://{self.host}{self.path if self.mixed.is_http else ''}"


@dataclass(frozen=True, slots=True)
class PathCheck:
    """One request through the path, sent to *base*, and its line of the table."""

    request: PathRequest
    base: str
    """``SCHEME://ADDRESS:PORT``; the Host header is the request's own."""
    tls: ClientTls | None = None

    @property
    def call(self) -> Call:
        """What is asked."""
        request = self.request
        body = base64.b64encode(request.content).decode()
        if not request.mixed.is_http:
            return Call(self.base, EXCHANGE, body_base64=body, tls=self.tls, until=request.expect.until)
        return Call(
            url=f"{self.base}{request.path}",
            method=request.method,
            headers={"host": request.host, **request.headers, **_own_headers(request.mixed)},
            body_base64=body,
            tls=self.tls,
            is_http2=request.mixed.protocol != "http/1.1",
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
        if not self.request.mixed.is_http:
            # Its first word names a node of ours; of others it is whatever they say.
            right_status, right_node = True, not expect.nodes or node in expect.nodes
        said = answer.status if self.request.mixed.is_http else "an answer"
        got = f"{said}{_from((node,) if node else ())}"
        if right_status and not right_body:
            got += ", wrong body"
        return self._line(got=got, node=node, passed=right_status and right_node and right_body)

    def _line(self, *, got: str, node: str | None, passed: bool) -> VerificationLine:
        request = self.request
        method = "" if request.method == "GET" else f"-X {request.method} "
        headers = "".join(f" -H '{key}: {value}'" for key, value in request.headers.items())
        return VerificationLine(
            name=request.name,
            sent=f"{method}{request.url}{headers}",
            expected=f"{request.expect.status if request.mixed.is_http else 'an answer'}"
            f"{_from(request.expect.nodes)}",
            got=got,
            node=node,
            passed=passed,
        )


def request_call(request: MixedRequest, base: str) -> Call:
    """One request of the mix, sent to *base*."""
    return PathCheck(path_request(request), base).call


def path_request(mixed: MixedRequest) -> PathRequest:
    """One request of the mix."""
    host, headers = host_of(mixed.headers, mixed.authority)
    content = mixed.written.content
    return PathRequest(
        name=f"{mixed.key} from {mixed.client}",
        client=mixed.client,
        port=mixed.port,
        method=mixed.method,
        host=host,
        path=mixed.path,
        headers=headers,
        content=grpc_message(content) if mixed.protocol == "grpc" else content,
        expect=mixed.expect,
        mixed=mixed,
    )


def path_requests(scenario: Scenario) -> Iterator[PathRequest]:
    """The scenario's own requests, one of each kind, and its controls."""
    traffic = scenario.traffic
    for mixed in traffic.mix:
        yield path_request(mixed)
    first = traffic.first
    for control in scenario.controls:
        host, headers = host_of(control.headers, control.host or first.authority)
        yield PathRequest(
            name=control.name,
            client=first.client,
            port=first.port,
            method=control.method,
            host=host,
            path=control.path or first.path,
            headers=headers,
            content=b"",
            expect=control.expect,
            mixed=first,
        )


def _own_headers(mixed: MixedRequest) -> dict[str, str]:
    return {"content-type": "application/grpc", "te": "trailers"} if mixed.protocol == "grpc" else {}


def grpc_message(content: bytes) -> bytes:
    """A gRPC message, uncompressed, as a body carries it."""
    return b"\0" + len(content).to_bytes(4, "big") + content


def _from(nodes: Sequence[str]) -> str:
    return f" from {' or '.join(nodes)}" if nodes else " from a proxy"
