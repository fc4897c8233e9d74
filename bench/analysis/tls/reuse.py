"""How many handshakes resume a session: what Envoy keeps, what a node accepts, and who is connected to.

Envoy 1.40 keeps one queue of sessions for each cluster, shared by its hosts and workers
(``ClientContextImpl``): a connection is offered the youngest session, whichever host it came from; one of
TLS 1.3 is taken out, since it may be used once; a new one goes to the front, and what exceeds
``max_session_keys`` falls off the end. OpenSSL, as nginx uses it, gives two tickets after a full handshake
of TLS 1.3 and one after a resumed one (``SSL_CTX_set_num_tickets``); under TLS 1.2 one session, and none
after a resumed handshake.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

from bench.result import TlsVersionName


@dataclass(frozen=True, slots=True)
class Sessions:
    """How one gateway and its nodes keep sessions."""

    max_session_keys: int
    tls_version: TlsVersionName
    nodes: int
    shared_keys: bool
    """Whether a node resumes what another has begun."""
    per_subset: bool
    """Whether each node has a cluster of its own, with a queue of its own."""
    resumable: bool = True
    """False: the nodes neither give tickets nor keep sessions."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection: to which node, when it begins, and when its session tickets are there; any one unit."""

    node: int
    begin: float
    ready: float


def predict_reuse(sessions: Sessions, attempts: Sequence[Attempt], *, counted_from: float = 0.0) -> float:
    """Share of the connections that resume a session, by following Envoy's queues.

    Args:
        sessions: how they are kept.
        attempts: in the order in which they begin. One that begins before the tickets of the last are there
            finds the queue without them.
        counted_from: those that begin earlier only fill the queues.
    """
    queues: dict[int, deque[int]] = {}
    coming: list[tuple[float, int, int, int]] = []
    resumed = counted = 0
    for attempt in attempts:
        while coming and coming[0][0] <= attempt.begin:
            _, cluster, giver, tickets = heappop(coming)
            _queue(queues, cluster, sessions).extendleft([giver] * tickets)
        cluster = attempt.node if sessions.per_subset else 0
        queue = _queue(queues, cluster, sessions)
        offered = queue[0] if queue else None
        if queue and sessions.tls_version == "TLSv1.3":
            queue.popleft()
        accepted = offered is not None and (sessions.shared_keys or offered == attempt.node)
        if attempt.begin >= counted_from:
            counted += 1
            resumed += accepted
        if sessions.resumable and sessions.max_session_keys:
            heappush(coming, (attempt.ready, cluster, attempt.node, _tickets(sessions, accepted=accepted)))
    return resumed / counted if counted else 0.0


def _queue(queues: dict[int, deque[int]], cluster: int, sessions: Sessions) -> deque[int]:
    return queues.setdefault(cluster, deque(maxlen=sessions.max_session_keys))


def _tickets(sessions: Sessions, *, accepted: bool) -> int:
    if sessions.tls_version == "TLSv1.3":
        return 1 if accepted else 2
    return 0 if accepted else 1


EventName = Literal["none", "endpoint-update", "node-restart", "ticket-key-rotation"]


def predict_full_after(event: EventName, *, shared_keys: bool) -> int:
    """Full handshakes that an event costs a gateway with a cluster for each node, for one node it happens to.

    Sessions live in the cluster's TLS context, which an update of endpoints leaves alone. A node that
    restarts or reloads makes new ticket keys unless it reads them from a file that holds the old ones: then
    the youngest session is refused once, and the tickets of that full handshake are good again.
    """
    if event in ("none", "endpoint-update"):
        return 0
    return 0 if event == "node-restart" and shared_keys else 1
