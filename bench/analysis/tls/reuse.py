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
from typing import Literal

import numpy as np

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


def node_sequence(balancing: str, nodes: int, connections: int, lot: np.random.Generator) -> list[int]:
    """The nodes that connections go to: in turn, or each by lot (RANDOM, LEAST_REQUEST when idle)."""
    if balancing == "ROUND_ROBIN":
        return [number % nodes for number in range(connections)]
    return [int(number) for number in lot.integers(0, nodes, connections)]


def predict_reuse(sessions: Sessions, sequence: Sequence[int], *, overlap: float = 0.0) -> float:
    """Share of the connections of *sequence* that resume a session, by following Envoy's queues.

    Args:
        sessions: how they are kept.
        sequence: the node of each connection, in order, at equal distances.
        overlap: how long a handshake takes, as a share of the distance between two connections: tickets come
            only then, and connections that begin meanwhile find the queue without them.
    """
    if not sequence or not sessions.resumable or sessions.max_session_keys == 0:
        return 0.0
    queues: dict[int, deque[int]] = {}
    coming: deque[tuple[float, int, int, int]] = deque()
    resumed = 0
    for number, node in enumerate(sequence):
        while coming and coming[0][0] <= number:
            _, cluster, giver, tickets = coming.popleft()
            queue = queues.setdefault(cluster, deque(maxlen=sessions.max_session_keys))
            queue.extendleft([giver] * tickets)
        cluster = node if sessions.per_subset else 0
        queue = queues.setdefault(cluster, deque(maxlen=sessions.max_session_keys))
        offered = queue[0] if queue else None
        if queue and sessions.tls_version == "TLSv1.3":
            queue.popleft()
        accepted = offered is not None and (sessions.shared_keys or offered == node)
        resumed += accepted
        tickets = (1 if accepted else 2) if sessions.tls_version == "TLSv1.3" else (0 if accepted else 1)
        coming.append((number + overlap, cluster, node, tickets))
    return resumed / len(sequence)


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
