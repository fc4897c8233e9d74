"""Single calls, made here: what is asked, and what came back. Where else they are made is in ``callers``.

``python -m bench.verify.calls`` reads batches of calls from standard input, a line of JSON each, and writes a
line with the answers of each to standard output. It needs httpx and nothing else of the suite.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench.headers import NODE_HEADER

_TIMEOUT_S = 10.0
_MOST_BYTES = 16 << 20
"""Of a body; what comes after is read and dropped."""
_CONNECT_S = 1.0
"""Far longer than the handshake of a node that can be reached, which the other calls show to answer."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS as a client does it; files of the place where the call is made."""

    ca: str
    server_name: str
    """The name that the server's certificate must have, whatever address is called."""
    certificate: str | None = None
    private_key: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request; or, with method ``CONNECT-ONLY``, one TLS handshake that asks for nothing."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    body_base64: str = ""
    """Instead of ``body``, for bytes that are not text."""
    tls: ClientTls | None = None
    is_http2: bool = False
    """HTTP/2 alone: by prior knowledge, or by ALPN with TLS."""
    until: str | int = "line"
    """Of ``EXCHANGE``: where the answer ends."""
    exactly: tuple[tuple[str, str], ...] = ()
    """Headers in their order and spelling, and none but these; instead of ``headers``. Plain HTTP only."""

    def with_header(self, name: str, value: str) -> Call:
        """The same call with one more header."""
        if self.exactly:
            return replace(self, exactly=(*self.exactly, (name, value)))
        return replace(self, headers={**self.headers, name: value})

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return base64.b64decode(self.body_base64) if self.body_base64 else self.body.encode()


CONNECT_ONLY = "CONNECT-ONLY"
EXCHANGE = "EXCHANGE"
"""Bytes over TCP, or over TLS: the body is sent, and an answer is read up to its end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; without a status the call could not be made, for the reason in ``error``."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    text: str = ""
    error: str | None = None

    @property
    def node(self) -> str | None:
        """The node that says that it answered."""
        return self.headers.get(NODE_HEADER)


def answer_calls(calls: Sequence[Call], *, at_once: int = 1) -> list[Answer]:
    """Make *calls* here, this many *at_once*; the answers in the calls' order."""
    with ThreadPoolExecutor(max_workers=8) as aside, ThreadPoolExecutor(max_workers=at_once) as pool:
        # Whoever is kept out waits for its whole timeout: side by side.
        made = [(aside if _is_connect(call) else pool).submit(make_call, call) for call in calls]
        return [each.result() for each in made]


def _is_connect(call: Call) -> bool:
    return call.method == CONNECT_ONLY


def make_call(call: Call) -> Answer:
    """Make one call here."""
    if _is_connect(call):
        return _connect(httpx.URL(call.url))
    if call.method == EXCHANGE:
        return _exchange(call)
    if call.exactly:
        return _exactly(call)
    try:
        with (
            httpx.Client(
                timeout=_TIMEOUT_S,
                trust_env=False,
                verify=_context(call.tls),
                http1=not call.is_http2,
                http2=call.is_http2,
            ) as client,
            client.stream(
                call.method,
                call.url,
                headers=dict(call.headers),
                content=call.content or None,
                extensions={"sni_hostname": call.tls.server_name} if call.tls is not None else None,
            ) as answer,
        ):
            return _read(answer)
    except httpx.HTTPError as error:
        kind = type(error).__name__
        return Answer(error=f"{kind}: {error}" if str(error) else kind)


def _read(answer: httpx.Response) -> Answer:
    """Read an answer to its end, but not forever: the client's own timeout starts again with each byte."""
    deadline = time.monotonic() + _TIMEOUT_S
    kept = bytearray()
    for piece in answer.iter_bytes():
        if len(kept) < _MOST_BYTES:
            kept += piece
        if time.monotonic() > deadline:
            return Answer(error=f"{answer.status_code}, and no end of the answer within {_TIMEOUT_S:g} s")
    text = kept.decode(answer.encoding or "utf-8", "replace")
    return Answer(answer.status_code, dict(answer.headers), text)


def _exactly(call: Call) -> Answer:
    """Send what the call says and nothing that a client adds by habit, such as ``Accept``."""
    parts = urlsplit(call.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    try:
        with contextlib.closing(connection):
            connection.putrequest(call.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in call.exactly:
                connection.putheader(name, value)
            connection.endheaders(call.content or None)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read().decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(error=f"{type(error).__name__}: {error}")


def _exchange(call: Call) -> Answer:
    """Send bytes and read the answer; its first word is in the place of the header that names a node."""
    parts = urlsplit(call.url)
    try:
        with contextlib.ExitStack() as opened:
            raw = opened.enter_context(
                socket.create_connection((parts.hostname or "", parts.port or 0), _TIMEOUT_S)
            )
            if call.tls is not None:
                context = ssl.create_default_context(cafile=call.tls.ca)
                if call.tls.certificate is not None and call.tls.private_key is not None:
                    context.load_cert_chain(call.tls.certificate, call.tls.private_key)
                raw = opened.enter_context(context.wrap_socket(raw, server_hostname=call.tls.server_name))
            raw.sendall(call.content)
            answer = _read_until(raw, call.until)
    except OSError as error:
        return Answer(error=f"{type(error).__name__}: {error.strerror or error}")
    if not answer:
        return Answer(error="the connection ended without an answer")
    word = answer.split(maxsplit=1)[0].decode("latin-1") if answer.strip() else ""
    return Answer(200, {NODE_HEADER: word} if word else {}, answer.decode("utf-8", "replace"))


def _read_until(raw: socket.socket, until: str | int) -> bytes:
    """All up to the end of an answer, or of the connection."""
    deadline = time.monotonic() + _TIMEOUT_S
    answer = b""
    while time.monotonic() < deadline and len(answer) < _MOST_BYTES:
        if until == "line" and b"\n" in answer:
            return answer.partition(b"\n")[0] + b"\n"
        if isinstance(until, int) and len(answer) >= until:
            return answer[:until]
        piece = raw.recv(65_536)
        if not piece:
            break
        answer += piece
    return answer


def _connect(url: httpx.URL) -> Answer:
    """Shake hands with whoever is there, verified or not.

    A handshake, because a proxy in between takes any TCP connection before it knows what to do with it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((url.host, url.port or 443), _CONNECT_S) as raw,
            context.wrap_socket(raw, server_hostname=url.host),
        ):
            return Answer(text="connected")
    except OSError as error:
        return Answer(error=error.strerror or str(error) or type(error).__name__)


def _context(tls: ClientTls | None) -> ssl.SSLContext | bool:
    if tls is None:
        # Reading the system's trust bundle for each plain call would take most of the time of a call.
        return False
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None and tls.private_key is not None:
        context.load_cert_chain(tls.certificate, tls.private_key)
    return context


def _call_of(wire: dict[str, Any]) -> Call:
    tls = wire.pop("tls")
    return Call(**wire, tls=ClientTls(**tls) if tls is not None else None)


def main() -> None:
    """Answer each line of standard input, a batch of calls, by a line of standard output, until it ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        answers = answer_calls([_call_of(wire) for wire in asked["calls"]], at_once=asked["at_once"])
        sys.stdout.write(f"{json.dumps([asdict(answer) for answer in answers])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
