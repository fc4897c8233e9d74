"""What a ledger's books are about, and what they call differences: codes, each with its words for people."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Book(StrEnum):
    """A pair of counts that must agree, hop by hop."""

    CLIENT = "client"
    CLIENT_TO_SIDECAR = "client-to-sidecar"
    SIDECAR_LISTENER = "sidecar-listener"
    SIDECAR_ROUTING = "sidecar-routing"
    SIDECAR_TO_GATEWAY = "sidecar-to-gateway"
    GATEWAY_LISTENER = "gateway-listener"
    GATEWAY_ROUTING = "gateway-routing"
    GATEWAY_TO_NODES = "gateway-to-nodes"
    SIDECAR_TO_NODES = "sidecar-to-nodes"
    CLIENT_TO_NODES = "client-to-nodes"
    RIGHT_NODES = "right-nodes"
    ANSWERS = "answers"
    SIDECAR_FLAGS = "sidecar-flags"
    GATEWAY_FLAGS = "gateway-flags"
    MATCHING = "matching"

    @property
    def text(self) -> str:
        """What it is called."""
        return _BOOKS[self][0]

    @property
    def left(self) -> str:
        """What its first count is of."""
        return _BOOKS[self][1]

    @property
    def right(self) -> str:
        """What its second count is of."""
        return _BOOKS[self][2]


class Cause(StrEnum):
    """Why two sides of a book may differ although nothing is wrong with the account."""

    RETRY = "retry"
    RESET = "reset"
    TIMEOUT = "timeout"
    OVERFLOW = "overflow"
    NO_ROUTE = "no-route"
    NO_CLUSTER = "no-cluster"
    NO_HEALTHY_UPSTREAM = "no-healthy-upstream"
    UPSTREAM_FAILURE = "upstream-failure"
    DIRECT_ANSWER = "direct-answer"
    FAULT_INJECTED = "fault-injected"
    CLIENT_LEFT = "client-left"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    MIRROR = "mirror"
    NOT_CONNECTED = "not-connected"
    WORKER_LOST = "worker-lost"
    UNSENT = "unsent"
    DRAINED = "drained"
    IN_FLIGHT = "in-flight"
    FOREIGN = "foreign"

    @property
    def text(self) -> str:
        """For people, with Envoy's response flag where it has one."""
        return _CAUSES[self]


class DamageCode(StrEnum):
    """Why a book cannot be closed: the evidence itself is damaged."""

    COUNTERS_RESET = "counters-reset"
    COUNTERS_MISSING = "counters-missing"
    LOG_TRUNCATED = "log-truncated"
    LOG_LINE_BROKEN = "log-line-broken"
    CLIENT_IDS_MISSING = "client-ids-missing"

    @property
    def text(self) -> str:
        """For people."""
        return _DAMAGES[self]


class NoteCode(StrEnum):
    """What single requests, or lines of a log, show."""

    COUNTS_DIFFER = "counts-differ"
    NOT_LOGGED = "not-logged"
    GHOST = "ghost"
    UNSENT_AND_LOGGED = "unsent-and-logged"
    LOGGED_TWICE = "logged-twice"
    NEVER_DUE = "never-due"
    LOST_BEHIND = "lost-behind"
    SEEN_TOO_OFTEN = "seen-too-often"
    NODE_OF_OTHER_CLUSTER = "node-of-other-cluster"
    WRONG_NODE = "wrong-node"
    SEVERAL_NODES = "several-nodes"
    UNKNOWN_FLAGS = "unknown-flags"
    FOREIGN_LINES = "foreign-lines"
    MANY_LINES = "many-lines"
    CLOCK_BACK = "clock-back"
    TAKEN_ON_TRUST = "taken-on-trust"
    TEXT = "text"
    """Written by an older version, which stored sentences."""


class MissingCode(StrEnum):
    """Why a shape of traffic lacks a book that others have."""

    PASSED_ON = "passed-on"
    NO_GATEWAY = "no-gateway"
    NO_NODE = "no-node"
    NO_ADMIN = "no-admin"
    NO_STATISTICS = "no-statistics"
    NODES_ELSEWHERE = "nodes-elsewhere"
    PASSED_ON_ELSEWHERE = "passed-on-elsewhere"

    @property
    def text(self) -> str:
        """For people."""
        return _MISSING[self]


class BlindPair(StrEnum):
    """Two errors of equal number that level ``counters`` takes for none."""

    LOST_AND_GHOST_AT_CLIENT = "lost-and-ghost-at-client"
    LOST_AND_GHOST_BETWEEN_PROXIES = "lost-and-ghost-between-proxies"
    LOST_AND_TWICE_AT_NODES = "lost-and-twice-at-nodes"
    SWAPPED_NODES = "swapped-nodes"

    @property
    def text(self) -> str:
        """For people."""
        return _PAIRS[self]


_BOOKS: Final[dict[Book, tuple[str, str, str]]] = {
    Book.CLIENT: ("client", "due", "answered and failed"),
    Book.CLIENT_TO_SIDECAR: ("client to sidecar", "sent by the client", "read by the sidecar"),
    Book.SIDECAR_LISTENER: ("sidecar listener", "read", "answered"),
    Book.SIDECAR_ROUTING: ("sidecar routing", "read", "attempts given a connection"),
    Book.SIDECAR_TO_GATEWAY: ("sidecar to gateway", "sent by the sidecar", "read by the gateway"),
    Book.GATEWAY_LISTENER: ("gateway listener", "read", "answered"),
    Book.GATEWAY_ROUTING: ("gateway routing", "read", "attempts given a connection"),
    Book.GATEWAY_TO_NODES: ("gateway to", "sent by the gateway", "lines of the nodes"),
    Book.SIDECAR_TO_NODES: ("sidecars to", "sent by the sidecars", "lines of the nodes"),
    Book.CLIENT_TO_NODES: ("client, passed on, to", "sent by the client", "lines of the nodes"),
    Book.RIGHT_NODES: ("node of each request", "ids at a node", "at the right node"),
    Book.ANSWERS: ("answer of each request", "answered correctly at the client", "of these at a node"),
    Book.SIDECAR_FLAGS: ("sidecar response flags", "ids in the log", "without a flag that ends a request"),
    Book.GATEWAY_FLAGS: ("gateway response flags", "ids in the log", "without a flag that ends a request"),
    Book.MATCHING: ("matching", "due", "matched"),
}

_CAUSES: Final[dict[Cause, str]] = {
    Cause.RETRY: "retry",
    Cause.RESET: "connection reset",
    Cause.TIMEOUT: "timeout",
    Cause.OVERFLOW: "overflow (UO)",
    Cause.NO_ROUTE: "no route (NR)",
    Cause.NO_CLUSTER: "no cluster (NC)",
    Cause.NO_HEALTHY_UPSTREAM: "no healthy upstream (UH)",
    Cause.UPSTREAM_FAILURE: "upstream failure (UF)",
    Cause.DIRECT_ANSWER: "answered by the proxy",
    Cause.FAULT_INJECTED: "fault injected (FI)",
    Cause.CLIENT_LEFT: "client left (DC)",
    Cause.CANCELLED: "cancelled before it had a connection",
    Cause.REJECTED: "rejected before routing",
    Cause.MIRROR: "mirrored copy",
    Cause.NOT_CONNECTED: "never reached the proxy",
    Cause.WORKER_LOST: "sent by a worker that died",
    Cause.UNSENT: "unsent",
    Cause.DRAINED: "drained",
    Cause.IN_FLIGHT: "in flight at the end",
    Cause.FOREIGN: "not of this run",
}

_DAMAGES: Final[dict[DamageCode, str]] = {
    DamageCode.COUNTERS_RESET: "counters were reset by a restart",
    DamageCode.COUNTERS_MISSING: "counters are missing",
    DamageCode.LOG_TRUNCATED: "a log is truncated or rotated",
    DamageCode.LOG_LINE_BROKEN: "a log line is broken",
    DamageCode.CLIENT_IDS_MISSING: "the client reported too many failures to keep their ids",
}

NOTES: Final[dict[NoteCode, str]] = {
    NoteCode.COUNTS_DIFFER: "{detail}",
    NoteCode.NOT_LOGGED: "{id}: {detail}, and not in the log of {part}",
    NoteCode.GHOST: "{id}: answered correctly at the client, and not in the log of {part}",
    NoteCode.UNSENT_AND_LOGGED: "{id}: reported as unsent, and in the log of {part}",
    NoteCode.LOGGED_TWICE: "{id}: more than once in the log of {part}",
    NoteCode.NEVER_DUE: "{id}: in the log of {part}, and never due",
    NoteCode.LOST_BEHIND: "{id}: sent on by {part} and not seen after it",
    NoteCode.SEEN_TOO_OFTEN: "{id}: seen more often after {part} than it was sent",
    NoteCode.NODE_OF_OTHER_CLUSTER: "{id}: at a node that its cluster does not have",
    NoteCode.WRONG_NODE: "{id}: at a node that must not answer it",
    NoteCode.SEVERAL_NODES: "{id}: at several nodes without a retry",
    NoteCode.UNKNOWN_FLAGS: "{count:,} lines of {part} with the flags {detail}",
    NoteCode.FOREIGN_LINES: "{part}: {count:,} lines are not of this run",
    NoteCode.MANY_LINES: "{part}: {count:,} ids have more than one line",
    NoteCode.CLOCK_BACK: "{part}: its clock went back {count:,} times, by up to {detail} s",
    NoteCode.TAKEN_ON_TRUST: "{count:,} requests are excused by number; level full excuses one by one",
    NoteCode.TEXT: "{detail}",
}

_MISSING: Final[dict[MissingCode, str]] = {
    MissingCode.PASSED_ON: (
        "no books of sidecar and gateway: proxies pass on what is not HTTP to them (bytes, what the client"
        " encrypts, all that comes to a port of protocol TCP), and count no requests of it; these are held"
        " against the lines of the nodes' logs alone"
    ),
    MissingCode.NO_GATEWAY: "no books of a gateway: sidecars leave the mesh themselves",
    MissingCode.NO_NODE: "no book at the far end: no node of this scenario is expected to answer",
    MissingCode.NO_ADMIN: "no books of its own: give its admin API by --admin NAME=URL",
    MissingCode.NO_STATISTICS: (
        "no books of its own: it keeps no counters of its listeners or clusters; Istio leaves them out unless"
        " proxyStatsMatcher names them (inclusionPrefixes: [http.outbound, cluster.outbound])"
    ),
    MissingCode.NODES_ELSEWHERE: (
        "no book at the far end: the servers that answer are not ours, and keep no log here"
    ),
    MissingCode.PASSED_ON_ELSEWHERE: (
        "no books of proxies: they pass on what is not HTTP to them (bytes, what the client encrypts, all"
        " that comes to a port of protocol TCP), and count no requests of it"
    ),
}

_PAIRS: Final[dict[BlindPair, str]] = {
    BlindPair.LOST_AND_GHOST_AT_CLIENT: (
        "answers cut in front of the sidecar, and as many given there without asking it"
    ),
    BlindPair.LOST_AND_GHOST_BETWEEN_PROXIES: (
        "connections that break between sidecar and gateway, and as many answers given there"
    ),
    BlindPair.LOST_AND_TWICE_AT_NODES: "requests lost before a node, and as many delivered to it twice",
    BlindPair.SWAPPED_NODES: "requests of two subsets that swap their nodes, where the client checks no node",
}
