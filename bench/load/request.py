"""Requests, encoded once: only the id differs from one to the next."""

from __future__ import annotations

from typing import Final

from bench.errors import LoadError
from bench.load.check import Check
from bench.load.plan import LoadPlan, RequestKind

IDENT: Final = "{run_id}/{sequence:013d}"
"""How a request is named: fixed width, so that the digits can be patched in."""
_MEMORY: Final = 256


class PreparedKind:
    """One kind of request, and the right answers to it that were read in full before.

    An answer that equals, byte for byte and with its own id in the id's place, one that passed every check
    passes every check: such answers are recognised with one comparison.
    """

    __slots__ = ("check", "good_head", "good_tail", "head", "ident", "known", "tail")

    def __init__(self, plan: LoadPlan, kind: RequestKind) -> None:
        self.check: Final = Check(plan, kind)
        self.ident: Final = (plan.run_id.replace("%", "%%") + "/%013d").encode("latin-1")
        """Format of the id."""
        self.head, self.tail = encode(plan, kind)
        self.good_head = b"\0"
        self.good_tail = b""
        self.known: dict[bytes, tuple[int, int]] = {}
        """Right answers without their id: where the id stood (-1: nowhere), and its length."""

    def learn(self, answer: bytes, ident: bytes) -> None:
        """Remember a complete, verified, keep-alive *answer* that was framed by its own headers."""
        where = answer.find(ident)
        if where >= 0 and answer.find(ident, where + 1) >= 0:
            return
        if len(self.known) >= _MEMORY:
            self.known.clear()
        if where < 0:
            self.known[answer] = (-1, 0)
            return
        self.known[answer.replace(ident, b"", 1)] = (where, len(ident))
        self.good_head = answer[:where]
        self.good_tail = answer[where + len(ident) :]

    def recognises(self, answer: bytes, ident: bytes) -> bool:
        """Whether *answer* is one of the right answers seen before, with *ident* as its id."""
        where = answer.find(ident)
        if where < 0:
            return self.known.get(answer) == (-1, 0)
        rest = answer.replace(ident, b"", 1)
        if self.known.get(rest) != (where, len(ident)):
            return False
        self.good_head = answer[:where]
        self.good_tail = answer[where + len(ident) :]
        return True


def encode(plan: LoadPlan, kind: RequestKind) -> tuple[bytes, bytes]:
    """The bytes before and after the id.

    Raises:
        LoadError: a name or value cannot stand in an HTTP request.
    """
    given = {name.lower() for name, _ in kind.headers}
    lines = [f"{kind.method} {kind.path} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {plan.target.host}")
    lines += [f"{name}: {value}" for name, value in kind.headers]
    body = kind.body.encode()
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
            f"request {kind.name}: {error.object[error.start : error.end]!r} cannot stand in an HTTP header.",
            remedy="Percent-encode it.",
        ) from None
    return head, b"\r\n\r\n" + body
