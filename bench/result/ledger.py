"""The account of a trial: books, and the proof of mutual TLS."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.result.base import Model
from bench.result.ledger_codes import NOTES, BlindPair, Book, Cause, DamageCode, MissingCode, NoteCode

LedgerLevel = Literal["counters", "full"]
"""``counters``: what each hop counted. ``full``: each request id, matched across the logs of all hops."""


class LedgerNote(Model):
    """One example of something unexplained, or one remark."""

    code: NoteCode
    id: str = ""
    """The request's."""
    part: str = ""
    """Whose log, or counters."""
    count: int = 0
    detail: str = ""

    @property
    def text(self) -> str:
        """For people."""
        return NOTES[self.code].format(id=self.id, part=self.part, count=self.count, detail=self.detail)


class LedgerDamage(Model):
    """Something wrong with the evidence."""

    code: DamageCode
    detail: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.code.text}: {self.detail}"


class LedgerBook(Model):
    """One book of a trial: ``left = right + named + unexplained``."""

    level: LedgerLevel
    book: Book
    nodes: tuple[str, ...] = ()
    """The nodes that it is about, where it is about some."""
    left: int | None
    """None: unknown."""
    right: int | None
    named: dict[Cause, int] = Field(default_factory=dict)
    """Cause -> how much of the difference it explains."""
    unexplained: int | None
    """Requests without a name for their difference; None where a side is unknown. Level ``full``: every
    single request that is wrong counts, so that losses and ghosts never cancel out."""
    state: Literal["balanced", "open", "incomplete"]
    """Incomplete: the evidence is damaged, see ``damages``."""
    damages: tuple[LedgerDamage, ...] = ()
    examples: tuple[LedgerNote, ...] = ()
    """Some of the unexplained."""
    remarks: tuple[LedgerNote, ...] = ()
    """Worth knowing, without weight."""

    @property
    def title(self) -> str:
        """What it is called."""
        if self.book in (Book.GATEWAY_TO_NODES, Book.SIDECAR_TO_NODES, Book.CLIENT_TO_NODES):
            return f"{self.book.text} {', '.join(self.nodes) or 'nodes'}"
        return self.book.text


class ConnectionProof(Model):
    """Who was at the other end of each TLS connection from gateway to nodes, as both ends logged it."""

    connections_of_gateway: int
    """Distinct upstream connections in the gateway's log."""
    connections_of_nodes: int
    """Distinct connections in the nodes' logs."""
    right_servers: int
    """Of the gateway's: with the subject of the nodes' certificate as the peer's."""
    right_clients: int
    """Of the nodes': verified, with subject and serial of the gateway's certificate."""
    expected_server: str
    expected_client: str
    """Subject and serial."""
    examples: tuple[str, ...] = ()
    """Some of the others, in words."""

    @property
    def holds(self) -> bool:
        """Whether there were connections, equally many at both ends, and all of them with the right peers."""
        return (
            0
            < self.connections_of_gateway
            == self.connections_of_nodes
            == self.right_servers
            == self.right_clients
        )


class MissingBook(Model):
    """Requests that lack books which others have."""

    code: MissingCode
    requests: tuple[str, ...] = ()
    """Their names; empty: all of them."""
    parts: tuple[str, ...] = ()
    """The proxies whose books are missing; empty: those that the code speaks of."""

    @property
    def text(self) -> str:
        """For people."""
        names = self.requests or self.parts
        return f"{', '.join(names)}: {self.code.text}" if names else self.code.text


class LedgerResult(Model):
    """The account of one trial, from before its warm-up until all was answered."""

    level: LedgerLevel
    """The highest level that ran; ``full`` includes ``counters``."""
    books: tuple[LedgerBook, ...]
    requests: int
    """Due in the whole trial, warm-up included."""
    at_nodes: dict[str, int] = Field(default_factory=dict)
    """Node -> requests of this trial in its log; a node whose log is damaged is missing."""
    at_gateways: dict[str, int] = Field(default_factory=dict)
    """Gateway, each replica by its name -> requests that it read in this trial, whosever they were; one whose
    counters are unknown, or that reads no requests, is missing."""
    missing: tuple[MissingBook, ...] = ()
    """Books that this traffic cannot have, and why."""
    blind_to: tuple[BlindPair, ...] = ()
    """Pairs of errors that this level cannot distinguish from none."""
    matching_s: float | None = None
    """Level ``full``: seconds that reading and matching the logs took."""
    log_bytes: int | None = None
    """Level ``full``: size of the logs that were matched."""
    matched: int | None = None
    """Level ``full``: ids that were seen at a node."""
    misrouted: int | None = None
    """Level ``full``: ids at a node that must not answer them."""
    misroute_upper_bound: float | None = None
    """Level ``full``: at most this share of requests is misrouted, exact one-sided bound at 95 %."""
    connections: ConnectionProof | None = None
    """Level ``full``: proof of mutual TLS."""

    @property
    def is_balanced(self) -> bool:
        """Whether there are books, every one is balanced, and no TLS peer was a stranger."""
        return (
            bool(self.books)
            and all(book.state == "balanced" for book in self.books)
            and (self.connections is None or self.connections.holds)
        )
