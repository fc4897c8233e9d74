"""Who was at the other end of each TLS connection, from the logs of both its ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.ledger.lines import LineReader, unquoted

GATEWAY_FIELDS = ("id", "upstream_connection", "peer_subject")
NODE_FIELDS = ("id", "connection", "client_verify", "client_subject", "client_serial")
_NO_CONNECTION = ("", "0")
_VERIFIED = "SUCCESS"
_MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection of one log, with what was logged of the peer; several if the log contradicts itself."""

    log: str
    connection: str
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What must have been presented."""

    subject: str
    serial: str

    def __str__(self) -> str:
        return f"{self.subject}, serial {self.serial}"


@dataclass(frozen=True, slots=True)
class Peers:
    """Both ends judged."""

    of_gateway: int
    of_nodes: int
    right_servers: int
    right_clients: int
    examples: tuple[str, ...]


def read_peers(name: str, chunks: Iterable[bytes], run_id: str, fields: Sequence[str]) -> frozenset[Peer]:
    """Every connection that carried a request of the run; *fields*: id, connection, then what is said."""
    prefix = f'"{run_id}/'.encode()
    found: set[tuple[bytes, ...]] = set()
    for columns in LineReader(fields).batches(chunks):
        ids = columns[0]
        rows = zip(*columns[1:], strict=True)
        found.update(row for ident, row in zip(ids, rows, strict=True) if ident.startswith(prefix))
    texts = (tuple(unquoted(value).decode("utf-8", "replace") for value in row) for row in found)
    return frozenset(Peer(name, connection, tuple(says)) for connection, *says in texts)


def judge_peers(
    gateway: frozenset[Peer], nodes: frozenset[Peer], *, server: Certificate, client: Certificate
) -> Peers:
    """Compare what both ends logged with the certificates that were made.

    A request that no connection carried is not judged here: the books of the ledger have it.
    """
    gateway = frozenset(peer for peer in gateway if peer.connection not in _NO_CONNECTION)
    servers = _judge(gateway, lambda peer: peer.says == (server.subject,))
    wanted = (_VERIFIED, client.subject, client.serial)
    clients = _judge(nodes, lambda peer: peer.says == wanted)
    wrong = sorted((*servers, *clients), key=lambda peer: (peer.log, peer.connection))
    return Peers(
        len(_connections(gateway)),
        len(_connections(nodes)),
        len(_connections(gateway) - _connections(servers)),
        len(_connections(nodes) - _connections(clients)),
        tuple(
            f"connection {peer.connection} of {peer.log}: the peer was"
            f" {' '.join(peer.says).strip() or 'nobody'}"
            for peer in wrong[:_MOST_EXAMPLES]
        ),
    )


def _judge(peers: Iterable[Peer], is_right: Callable[[Peer], bool]) -> list[Peer]:
    return [peer for peer in peers if not is_right(peer)]


def _connections(peers: Iterable[Peer]) -> set[tuple[str, str]]:
    return {(peer.log, peer.connection) for peer in peers}
