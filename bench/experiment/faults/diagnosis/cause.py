"""What can be the matter, and a finding: a cause with what shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from bench.message import Message

Instrument = Literal["client", "process watch", "access logs", "ledger"]


class Cause(StrEnum):
    """What can be the matter."""

    GATEWAY_RESTARTED = "the gateway was restarted"
    SIDECAR_FROZEN = "the sidecar stalled"
    GATEWAY_FROZEN = "the gateway stalled"
    GHOST = "answers that did not come through the gateway"
    OTHER_ID = "answers belong to other requests"
    BROKEN_HTTP = "answers break the rules of HTTP (such as two kinds of length)"
    TWO_NODES = "answers name more than one node"
    FOREIGN_PAGE = "a node's page carries its mark, and is not the page that it was given"
    HIDDEN_FAILURES = "retries hide failures of a node"
    CONNECTIONS_CLOSED = "a node closes its connections after each request"
    STALE_CONNECTIONS = "kept connections end as requests come on them (stale keep-alive race)"
    NODE_RELOADED = "a node was reloaded"
    SLOW_SHARE = "a small share of the requests is slow"
    NODE_DOWN = "a node does not run"
    NODE_FROZEN = "a node stalled"
    NODE_ERRORS = "a node answers with errors"
    NODE_SLOW = "a node, or the way to it, is slow"
    TRUNCATED_BODY = "answers break off in their middle"
    WRONG_PAGE = "a node serves another node's page"
    ENDPOINTS_SWAPPED = "a cluster has another subset's endpoints"
    ROUTES_SWAPPED = "a route leads to another subset"
    OTHER_SHARES = "a route splits requests differently from its weights"
    STRAY_MISROUTE = "single requests are led to another subset"
    DUPLICATE_DELIVERY = "a request was delivered more than once"
    NO_CLIENT_CERTIFICATE = "the gateway presents no client certificate"
    UNTRUSTED_SERVER = "the gateway does not trust the nodes' certificate"
    EXPIRED_CERTIFICATE = "a node's certificate has expired"
    WRONG_ANSWERS = "wrong answers without a known cause"
    UNBALANCED = "the ledger does not balance"


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, with what shows it."""

    cause: Cause
    instrument: Instrument
    """What saw the evidence that names the cause."""
    shown: Message
    """What shows it: a case with its data."""
    requests: int
    """Touched."""
    since_us: int | None = None
    """Start of the first request that was touched, microseconds since the epoch."""

    @property
    def detail(self) -> str:
        """What shows it, for people."""
        return self.shown.reason
