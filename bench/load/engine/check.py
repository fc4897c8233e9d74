"""Is this the answer that was due? One verdict for each response."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bench.load.engine.bodies import Bodies
from bench.load.engine.bytes_reader import BytesReader
from bench.load.engine.http2 import Answer
from bench.load.engine.reader import BodyListener, Reader
from bench.load.plan import Expectation, LoadPlan, RequestKind
from bench.result.reasons import Reason, ReasonCode

Ending = Literal["failed", "misrouted", "unsent"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a request ended that was not answered correctly."""

    ending: Ending
    reason: Reason


@dataclass(slots=True)
class BodyCheck(BodyListener):
    """Compares a body with what is expected while it passes, in bounded memory."""

    exact: bytes | None
    marker: bytes | None
    digests: Mapping[str, str] | None = None
    """Node -> SHA-256 of its only right body."""
    bodies: Bodies | None = None
    """Right bodies of before."""
    _hash: Any = None
    _seen: int = 0
    _equal: bool = True
    _found: bool = False
    _tail: bytes = field(default=b"")
    _known: dict[str, bytes] | None = None
    """Digest -> body of those that this one may still be; None: they are not known, so it is hashed."""
    _pieces: list[bytes] | None = None
    """All of it so far, to be remembered if it is right; None: it has grown too large."""

    def __post_init__(self) -> None:
        if self.digests is not None and self.bodies is not None:
            self._known = self.bodies.known(frozenset(self.digests.values()))
            self._pieces = [] if self._known is None else None

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body."""
        if self._known is not None:
            self._known = {
                digest: body for digest, body in self._known.items() if body.startswith(data, self._seen)
            }
        elif self.digests is not None:
            self._hash = self._hash or hashlib.sha256()
            self._hash.update(data)
            self._collect(data)
        if self.exact is not None:
            self._equal = self._equal and self.exact.startswith(data, self._seen)
        self._seen += len(data)
        if self.marker is not None and not self._found:
            window = self._tail + data
            self._found = self.marker in window
            self._tail = window[-(len(self.marker) - 1) :] if len(self.marker) > 1 else b""

    def _collect(self, data: bytes) -> None:
        if self._pieces is not None and self.bodies is not None:
            self._pieces.append(data)
            if not self.bodies.has_room(self._seen + len(data)):
                self._pieces = None

    def passed(self, node: str) -> bool:
        """Whether the whole body, now seen, is right for an answer of *node*."""
        exact = self.exact is None or (self._equal and self._seen == len(self.exact))
        return exact and (not self.marker or self._found) and self._is_nodes(node)

    def _is_nodes(self, node: str) -> bool:
        if self.digests is None or node not in self.digests:
            return True
        digest = self.digests[node]
        if self._known is not None:
            return digest in self._known and len(self._known[digest]) == self._seen
        seen = (self._hash or hashlib.sha256()).hexdigest()
        if seen == digest and self._pieces is not None and self.bodies is not None:
            self.bodies.remember(digest, b"".join(self._pieces))
        return bool(seen == digest)


class Check:
    """The expectation of one kind of request, prepared."""

    __slots__ = (
        "_bodies",
        "_by_proxy",
        "_digests",
        "_exact",
        "_grpc_status",
        "_id_header",
        "_marker",
        "_node_header",
        "_nodes",
        "_protocol",
        "_require_id",
        "_status",
        "_until",
        "head",
    )

    def __init__(self, plan: LoadPlan, kind: RequestKind, bodies: Bodies | None = None) -> None:
        expect: Expectation = kind.expect
        self._bodies = bodies if bodies is not None else Bodies()
        self.head: Final = kind.method.upper() == "HEAD"
        self._status = expect.status
        self._nodes = tuple(node.encode("latin-1") for node in expect.nodes)
        self._node_header = plan.node_header.lower().encode("latin-1")
        self._id_header = plan.id_header.lower().encode("latin-1")
        self._by_proxy = expect.by_proxy
        self._protocol = kind.protocol
        self._until = expect.until
        self._grpc_status = expect.grpc_status if kind.protocol == "grpc" else None
        self._require_id = plan.require_id and not expect.by_proxy
        self._exact = expect.body_exact.encode() if expect.body_exact is not None else None
        self._digests = dict(expect.body_sha256) or None
        self._marker = expect.body_contains.encode() if expect.body_contains is not None else None

    def listener(self) -> BodyCheck | None:
        """What must see the body as it comes; None if the body does not matter."""
        if self._exact is None and self._marker is None and self._digests is None:
            return None
        return BodyCheck(self._exact, self._marker, self._digests, self._bodies)

    def reader(self, body: BodyCheck | None) -> Reader | BytesReader:
        """What reads an answer from its bytes."""
        if self._protocol == "bytes":
            return BytesReader(self._until, body)
        return Reader(head=self.head, listener=body)

    def judge_bytes(self, answer: BytesReader, body: BodyCheck | None) -> Verdict | None:
        """Say what is wrong with a complete *answer* that is not HTTP: its first word names the node."""
        if self._nodes and answer.first_word not in self._nodes:
            word = answer.first_word[:64].decode("latin-1")
            return Verdict("misrouted", Reason(ReasonCode.WRONG_NODE, word))
        if body is not None and not body.passed(answer.first_word.decode("latin-1")):
            return _failed(ReasonCode.WRONG_BODY)
        return _failed(ReasonCode.EXTRA_BYTES) if answer.leftover else None

    def judge(  # noqa: PLR0911 - one return for each rule, in order
        self, answer: Reader | BytesReader | Answer, body: BodyCheck | None, request_id: bytes
    ) -> Verdict | None:
        """Say what is wrong with a complete *answer* to request *request_id*; None if nothing is.

        Two node headers name nothing. A node that must not answer is a misroute whatever else it says; then
        status, id, node name, body.
        """
        if isinstance(answer, BytesReader):
            return self.judge_bytes(answer, body)
        if sum(name == self._node_header for name, _ in answer.headers) > 1:
            return _failed(ReasonCode.TWO_NODES, self._node_header.decode("latin-1"))
        names_node = self._nodes or self._by_proxy
        node = answer.header(self._node_header) if names_node else None
        if node is not None and node not in self._nodes:
            return Verdict("misrouted", Reason(ReasonCode.WRONG_NODE, node.decode("latin-1")))
        if answer.status != self._status:
            return _failed(ReasonCode.STATUS, str(answer.status))
        fault = self._grpc_fault(answer) or self._id_fault(answer, request_id)
        if fault is not None:
            return fault
        if self._nodes and node is None:
            return _failed(ReasonCode.NO_NODE, self._node_header.decode("latin-1"))
        if body is not None and not body.passed(self.node_of(answer)):
            return _failed(ReasonCode.WRONG_BODY)
        if answer.leftover:
            return _failed(ReasonCode.EXTRA_BYTES)
        return None

    def _grpc_fault(self, answer: Reader | Answer) -> Verdict | None:
        if self._grpc_status is None or not isinstance(answer, Answer):
            return None
        given = answer.grpc_status
        if given == self._grpc_status:
            return None
        return _failed(ReasonCode.GRPC_STATUS, "missing" if given is None else str(given))

    def _id_fault(self, answer: Reader | Answer, request_id: bytes) -> Verdict | None:
        echoes = [value for name, value in answer.headers if name == self._id_header]
        if any(echo != request_id for echo in echoes):
            return _failed(ReasonCode.WRONG_ID)
        if self._require_id and not echoes:
            return _failed(ReasonCode.NO_ID, self._id_header.decode("latin-1"))
        return None

    def node_of(self, answer: Reader | BytesReader | Answer) -> str:
        """The node that *answer* names; empty: none."""
        if isinstance(answer, BytesReader):
            return answer.first_word.decode("latin-1") if self._nodes else ""
        named = answer.header(self._node_header)
        return named.decode("latin-1") if named is not None else ""


def _failed(code: ReasonCode, detail: str = "") -> Verdict:
    return Verdict("failed", Reason(code, detail))
