"""The requests of a scenario: what each asks for, of whom, and what a right answer looks like."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from bench.scenario.http_text import body_fault, header_fault, host_of, target_fault
from bench.scenario.written import Written

Scheme = Literal["http", "https", "tcp", "tls"]
"""``https`` and ``tls`` are spoken by the client itself; ``tcp`` and ``tls`` carry bytes, not HTTP."""
Protocol = Literal["http/1.1", "http/2", "grpc", "bytes"]
"""What the client speaks above TCP and TLS."""
SCHEMES: Mapping[str, int | None] = {"http": 80, "https": 443, "tcp": None, "tls": None}
"""Scheme -> the port without one."""
_GRPC_PATH = re.compile(r"/[\w.]+/\w+")


def _sendable_path(value: str) -> str:
    fault = target_fault(value)
    if fault is not None:
        raise ValueError(fault)
    return value


def _sendable_headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        fault = header_fault(name, text)
        if fault is not None:
            raise ValueError(fault)
    return value


def check_url(value: str) -> str:
    """Give *value* back; raises ``ValueError`` where it is not a URL that a client here can call."""
    parts = urlsplit(value)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{value!r} has no port that can be called") from None
    if parts.scheme not in SCHEMES or not parts.hostname or parts.username is not None:
        raise ValueError(f"{value!r} is not http://, https://, tcp:// or tls:// with a host")
    if port is None and SCHEMES[parts.scheme] is None:
        raise ValueError(f"{value!r} names no port, and {parts.scheme} has none of its own")
    if parts.scheme in ("tcp", "tls") and (parts.path not in ("", "/") or parts.query):
        raise ValueError(f"{value!r} has a path, which {parts.scheme} has not")
    _sendable_path(_target(parts))
    return value


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


RequestPath = Annotated[str, Field(pattern=r"^/"), AfterValidator(_sendable_path)]
RequestHeaders = Annotated[dict[str, str], AfterValidator(_sendable_headers)]
RequestUrl = Annotated[str, AfterValidator(check_url)]


class Expect(Written):
    """What a right answer looks like."""

    status: int = Field(default=200, ge=100, le=599)
    """Of an HTTP answer."""
    nodes: tuple[str, ...] = ()
    """Nodes that may answer; empty for an answer that a proxy gives itself."""
    shares: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Node -> its weight among the answers; the weights of the Istio resources where none are given."""
    body_contains: str | None = Field(default=None, min_length=1)
    """A text that the body must contain; absent: nodes' pages are checked whole, others' bodies not."""
    grpc_status: int = Field(default=0, ge=0, le=16)
    """Of a gRPC answer; 0 is OK."""
    until: Literal["line", "close"] | Annotated[int, Field(gt=0)] = "line"
    """Where an answer of bytes ends: at the end of a line, with the connection, or after this many bytes."""

    @model_validator(mode="before")
    @classmethod
    def _nodes_of_shares(cls, value: Any) -> Any:
        """Who has a share may answer: to name the nodes twice is not needed."""
        if isinstance(value, dict) and isinstance(value.get("shares"), dict) and not value.get("nodes"):
            return {**value, "nodes": list(value["shares"])}
        return value

    @model_validator(mode="after")
    def _shares_are_of_nodes(self) -> Self:
        if self.shares and set(self.shares) != set(self.nodes):
            raise ValueError(
                f"shares are of {_list(self.shares)}, nodes are {_list(self.nodes)}: name the same ones"
            )
        return self


class RequestTls(Written):
    """How the client of an ``https://`` or ``tls://`` request speaks TLS. The server is always verified."""

    server_name: str | None = Field(default=None, min_length=1)
    """The name that it asks for (SNI) and that the certificate must have; absent: the URL's host."""
    set: str | None = None
    """Whose authority it trusts: one of ``tls.sets``; absent: the first one."""
    client_certificate: bool = False
    """Whether it presents the client certificate of that set."""


class Request(Written):
    """One kind of request and who must answer it."""

    url: RequestUrl | None = None
    """``http://``, ``https://``, ``tcp://HOST:PORT`` or ``tls://HOST:PORT``; absent: that of the traffic."""
    clients: tuple[str, ...] = ()
    """The proxies beside which it is sent, in equal parts; absent: all clients of the traffic."""
    weight: float = Field(default=1.0, gt=0)
    """Its part of all requests, against the weights of the others."""
    protocol: Literal["http/1.1", "http/2", "grpc"] | None = None
    """Absent: HTTP/1.1. ``http/2`` and ``grpc`` go by prior knowledge over ``http://``, by ALPN over
    ``https://``."""
    tls: RequestTls | None = None
    """How the client itself speaks TLS, of ``https://`` and ``tls://``."""
    method: str = Field(default="GET", pattern=r"^[A-Z]+$")
    """HTTP method."""
    path: RequestPath | None = None
    """Instead of the URL's."""
    headers: RequestHeaders = Field(default_factory=dict)
    """Headers, name -> value; ``Host`` replaces that of the URL."""
    body: str = ""
    """What is sent: of ``tcp://`` and ``tls://`` all of it, of gRPC the message."""
    body_base64: str = ""
    """The same for bytes that are not text."""
    expect: Expect
    """What a right answer looks like."""

    @field_validator("body_base64")
    @classmethod
    def _decodes(cls, value: str) -> str:
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not base64") from None
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.body and self.body_base64:
            raise ValueError("body and body_base64 are both given: write one of them")
        if self.protocol == "grpc":
            if self.method not in ("GET", "POST"):
                raise ValueError("gRPC is always a POST: leave method out")
        elif not self.body_base64:
            fault = body_fault(self.headers.items(), self.body)
            if fault is not None:
                raise ValueError(fault)
        return self

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return base64.b64decode(self.body_base64) if self.body_base64 else self.body.encode()


@dataclass(frozen=True, slots=True)
class MixedRequest:
    """One kind of request of one client, with everything that the traffic says of it."""

    name: str
    """Of the kind; with its client where the traffic has several."""
    written: Request
    """As it is in the scenario."""
    key: str
    """Its name there."""
    client: str
    """The proxy beside which it is sent."""
    scheme: Scheme
    protocol: Protocol
    authority: str
    """Host and, where one is written, port: the Host header, unless the headers name another."""
    host: str
    """Without port."""
    port: int
    """That it calls."""
    path: str
    """Path and query."""
    method: str
    headers: Mapping[str, str]
    weight: float
    expect: Expect

    @property
    def is_http(self) -> bool:
        """Whether it is HTTP, of whatever version; else it is bytes."""
        return self.protocol != "bytes"

    @property
    def is_plain_http(self) -> bool:
        """Whether proxies on the way can read it: HTTP without TLS of the client's own."""
        return self.is_http and self.scheme == "http"

    @property
    def keeps_proxied_connection(self) -> bool:
        """Whether its requests share connections that proxies pass on; each exchange of bytes has its own."""
        return self.is_http and not self.is_plain_http

    @property
    def tls(self) -> RequestTls | None:
        """The client's own TLS; None: it speaks none."""
        if self.scheme not in ("https", "tls"):
            return None
        return self.written.tls or RequestTls()

    @property
    def server_name(self) -> str:
        """What a client that speaks TLS asks for."""
        return self.written.tls.server_name or self.host if self.written.tls is not None else self.host

    @property
    def url(self) -> str:
        """For people; with the host that it asks for, whatever host it calls."""
        asked = host_of(self.headers, self.authority)[0] if self.is_http else self.authority
        return f"{self.scheme}://{asked}{self.path if self.is_http else ''}"


def resolve(
    key: str, request: Request, *, url: str, clients: tuple[str, ...], is_only_client: bool
) -> list[MixedRequest]:
    """Give one kind for each of *clients*; *url* is that of the traffic, where the request has none."""
    parts = urlsplit(request.url or url)
    scheme = cast("Scheme", parts.scheme)  # checked when it was read
    is_http = scheme in ("http", "https")
    protocol: Protocol = (request.protocol or "http/1.1") if is_http else "bytes"
    senders = request.clients or clients
    return [
        MixedRequest(
            name=key if is_only_client else f"{key} from {client}",
            written=request,
            key=key,
            client=client,
            scheme=scheme,
            protocol=protocol,
            authority=parts.netloc,
            host=parts.hostname or "",
            port=parts.port or SCHEMES[scheme] or 0,
            path=request.path or _target(parts),
            method="POST" if protocol == "grpc" else request.method,
            headers=request.headers,
            weight=request.weight / len(senders),
            expect=request.expect,
        )
        for client in senders
    ]


def misfit(request: Request, url: str) -> str | None:
    """What in *request* does not go with its URL, for people; None: nothing."""
    scheme = urlsplit(url).scheme
    if scheme in ("tcp", "tls"):
        written = {
            "protocol": request.protocol is not None,
            "path": request.path is not None,
            "headers": bool(request.headers),
            "method": request.method != "GET",
        }
        given = [name for name, is_given in written.items() if is_given]
        if given:
            return f"{scheme}:// carries bytes, not HTTP: leave out {_list(given)}"
    if scheme in ("http", "tcp") and request.tls is not None:
        secure = "https" if scheme == "http" else "tls"
        return f"the client of {scheme}:// speaks no TLS: leave out tls, or call {secure}://"
    if request.protocol == "grpc" and not _GRPC_PATH.fullmatch(request.path or _target(urlsplit(url))):
        return "a gRPC path is /PACKAGE.SERVICE/METHOD"
    return None


def _list(names: Any) -> str:
    return ", ".join(sorted(names))
