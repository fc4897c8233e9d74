"""Requests, encoded once: only the id differs from one to the next."""

from __future__ import annotations

from os.path import commonprefix
from typing import Any, Final

from bench.errors import LoadError
from bench.load.engine.bodies import Bodies
from bench.load.engine.check import Check
from bench.load.engine.http2 import message
from bench.load.engine.template import Template
from bench.load.plan import LoadPlan, RequestKind
from bench.scenario import body_fault, header_fault, target_fault

SEQUENCE_DIGITS: Final = 13
REQUEST_ID: Final = f"{{run_id}}/{{sequence:0{SEQUENCE_DIGITS}d}}"
"""How a request is named: fixed width, so that the digits can be patched in."""
_DIGITS: Final = [b"%03d" % number for number in range(1000)]
_MEMORY: Final = 256
_VARIANTS: Final = 16
"""Right answers with the same head that the engine recognises by itself."""
_TEMPLATES: Final = 8
"""Of one kind of request: as many nodes may answer it, or headers differ."""
_PIECE: Final = 64
"""Bytes from the first in which answers differ that distinguish one from another."""


class Rest(bytes):
    """What followed the id in a right answer, and the node that gave it."""

    node = ""


class PreparedKind:
    """One kind of request, and the right answers to it that were read in full before.

    An answer that equals, byte for byte and with its own id in the id's place, one that passed every check
    passes every check: such answers are recognised without reading them. The engine does so by itself with
    the fields below. Behind a proxy right answers differ all the time, in the upstream's service time for
    instance: the piece in which they differ says which one to compare with; for those not seen before there
    are templates.
    """

    __slots__ = (
        "_known",
        "_templates",
        "body",
        "check",
        "cut",
        "fields",
        "good_head",
        "head",
        "pool",
        "rests",
        "tail",
    )

    def __init__(self, plan: LoadPlan, kind: RequestKind, bodies: Bodies | None = None) -> None:
        self.check: Final = Check(plan, kind, bodies)
        self.head, self.tail = (kind.body, b"") if kind.protocol == "bytes" else encode(plan, kind)
        self.fields: Final = _fields(plan, kind) if kind.protocol in ("http/2", "grpc") else []
        """Headers for HTTP/2; the name of the id's comes last."""
        self.body: Final = message(kind.body) if kind.protocol == "grpc" else kind.body
        self.pool: Any = None
        """The connections that it may use."""
        self.good_head = b"\0"
        """What is before the id in recent right answers."""
        self.rests: dict[bytes, Rest] = {}
        """All that followed the id in right answers with this head, by the piece in which they differ."""
        self.cut = slice(0)
        """Where in an answer that piece lies."""
        self._known: dict[bytes, tuple[int, str]] = {}
        """Right answers without their id -> where the id was (-1: nowhere), and the node."""
        self._templates: list[Template] = []
        """Of right answers with an id, the latest first."""

    def learn(self, answer: bytes, request_id: bytes, node: str = "") -> None:
        """Remember a complete, verified, keep-alive *answer* of *node* that was framed by its own headers."""
        where = answer.find(request_id)
        if where >= 0 and answer.find(request_id, where + 1) >= 0:
            return
        if len(self._known) >= _MEMORY:
            self._known.clear()
        if where < 0:
            self._known[answer] = -1, node
            return
        self._known[answer.replace(request_id, b"", 1)] = where, node
        if not any(each.fits(answer, request_id) for each in self._templates):
            self._templates = [
                Template(answer, where, len(request_id), node),
                *self._templates[: _TEMPLATES - 1],
            ]
        self._expect(answer[:where], len(request_id), answer[where + len(request_id) :], node)

    def recognises(self, answer: bytes, request_id: bytes) -> str | None:
        """The node whose right answer, seen before, *answer* is, with *request_id* as its id.

        Empty where no node is named; None: it is none of them.
        """
        where = answer.find(request_id)
        if where >= 0:
            for template in self._templates:
                if template.fits(answer, request_id):
                    self._expect(
                        answer[:where], len(request_id), answer[where + len(request_id) :], template.node
                    )
                    return template.node
        known = self._known.get(answer if where < 0 else answer.replace(request_id, b"", 1))
        if known is None or known[0] != where:
            return None
        if where >= 0:
            self._expect(answer[:where], len(request_id), answer[where + len(request_id) :], known[1])
        return known[1]

    def _expect(self, head: bytes, id_length: int, text: bytes, node: str) -> None:
        """Let the engine recognise *text* behind *head*; seldom called, once for each new answer."""
        if head != self.good_head:
            self.rests = {}
        elif len(self.rests) >= _VARIANTS:
            # As many waits have been seen: a template recognises the others.
            return
        rest = Rest(text)
        rest.node = node
        rests = [*self.rests.values(), rest]
        first = len(commonprefix(rests))  # noqa: RUF071 - bytes, not paths
        # Two that differ only behind the piece: the later one counts, the other goes the long way.
        self.rests = {each[first : first + _PIECE]: each for each in rests}
        self.cut = slice(len(head) + id_length + first, len(head) + id_length + first + _PIECE)
        self.good_head = head


class RequestIds:
    """The ids of a run's requests, made many at a time: formatting one costs three times as much."""

    def __init__(self, run_id: str) -> None:
        self._format = (run_id.replace("%", "%%") + "/%010d").encode("latin-1")

    def series(self, first: int, step: int, count: int) -> list[bytes]:
        """*count* ids, of the sequence numbers *first*, *first* + *step* …; see ``REQUEST_ID``."""
        made: list[bytes] = []
        number = first
        while len(made) < count:
            thousands, rest = divmod(number, 1000)
            begin = self._format % thousands
            digits = _DIGITS[rest::step]
            made += [begin + three for three in digits]
            number += step * len(digits)
        del made[count:]
        return made


def encode(plan: LoadPlan, kind: RequestKind) -> tuple[bytes, bytes]:
    """The bytes before and after the id.

    Raises:
        LoadError: a name or value cannot stand in an HTTP request.
    """
    faults = (target_fault(kind.path), *(header_fault(*header) for header in kind.headers))
    fault = next(
        filter(None, (*faults, body_fault(kind.headers, kind.body) if kind.protocol == "http/1.1" else None)),
        None,
    )
    if fault is not None:
        raise LoadError(f"request {kind.name}: {fault}.")
    given = {name.lower() for name, _ in kind.headers}
    lines = [f"{kind.method} {kind.path} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {kind.host or plan.target_of(kind).host}")
    lines += [f"{name}: {value}" for name, value in kind.headers]
    body = kind.body
    if (body or kind.method.upper() in ("POST", "PUT", "PATCH")) and "content-length" not in given:
        lines.append(f"Content-Length: {len(body)}")
    if not plan.connections.keep_alive and "connection" not in given:
        lines.append("Connection: close")
    lines.append(f"{plan.id_header}: ")
    for line in [*lines, plan.run_id]:
        if any(ord(character) < 0x20 and character != "\t" for character in line):
            raise LoadError(
                f"request {kind.name}: {line!r} holds a control character, which HTTP forbids.",
                remedy="Take it out of the path, header or run id.",
            )
    try:
        head = "\r\n".join(lines).encode("latin-1")
        plan.run_id.encode("latin-1")
    except UnicodeEncodeError as error:
        raise LoadError(
            f"request {kind.name}: an HTTP header cannot hold {error.object[error.start : error.end]!r}.",
            remedy="Percent-encode it.",
        ) from None
    return head, b"\r\n\r\n" + body


def _fields(plan: LoadPlan, kind: RequestKind) -> list[tuple[bytes, bytes]]:
    """The headers of an HTTP/2 request (RFC 9113 section 8.3), without the id."""
    target = plan.target_of(kind)
    given = {name.lower(): value for name, value in kind.headers}
    host = given.pop("host", None) or kind.host or target.host
    fields = {
        ":method": kind.method,
        ":scheme": "https" if target.tls is not None else "http",
        ":authority": host,
        ":path": kind.path,
        **given,
    }
    if kind.protocol == "grpc":
        fields = {"content-type": "application/grpc", "te": "trailers", **fields}
        fields = {**{name: fields.pop(name) for name in list(fields) if name.startswith(":")}, **fields}
    elif kind.body and "content-length" not in given:
        fields["content-length"] = str(len(kind.body))
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
