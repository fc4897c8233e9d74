"""Who was at the other end of each TLS connection, from the logs of both its ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from bench.ledger.lines import Column, unquoted

GATEWAY_FIELDS = ("upstream_connection", "peer_subject")
PEER_FIELDS = ("connection", "client_verify", "client_subject", "client_serial")
"""The connection, then what is said of its peer."""
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
class ExpectedPeers:
    """Who must be at the other end of each connection."""

    servers: Collection[Certificate | None]
    """Those of the nodes; None: one speaks no TLS."""
    clients: Mapping[str, Collection[Certificate | None]]
    """Node -> what clients may present to it; None: nothing."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Both ends judged."""

    of_gateway: int
    of_nodes: int
    right_servers: int
    right_clients: int
    examples: tuple[str, ...]


class PeerWatch:
    """Every connection of one log that carried a request of the run; fed while the log is tallied."""

    def __init__(self, name: str, run_id: str, fields: Sequence[str]) -> None:
        """Watch the log of *name*; *fields* are ``GATEWAY_FIELDS`` or ``PEER_FIELDS``."""
        self.fields = tuple(fields)
        self._name = name
        self._prefix = f'"{run_id}/'.encode()
        self._found: set[tuple[bytes, ...]] = set()

    def add(self, ids: Column, columns: Sequence[Column]) -> None:
        """Take in some lines: their ids, and the values of ``fields``."""
        prefix = self._prefix
        ours = (request_id.startswith(prefix) for request_id in ids)
        self._found.update(compress(zip(*columns, strict=True), ours))

    @property
    def peers(self) -> frozenset[Peer]:
        """What was seen until now."""
        texts = (tuple(unquoted(value).decode("utf-8", "replace") for value in row) for row in self._found)
        return frozenset(Peer(self._name, connection, tuple(says)) for connection, *says in texts)


def judge_peers(gateway: frozenset[Peer], nodes: frozenset[Peer], expected: ExpectedPeers) -> Peers:
    """Compare what both ends logged with the certificates that were made.

    A request that no connection carried is not judged here: the books of the ledger have it.
    """
    gateway = frozenset(peer for peer in gateway if peer.connection not in _NO_CONNECTION)
    subjects = {("",) if each is None else (each.subject,) for each in expected.servers}
    wanted = {
        node: {says for each in certificates for says in _says(each)}
        for node, certificates in expected.clients.items()
    }
    servers = _judge(gateway, lambda peer: peer.says in subjects)
    clients = _judge(nodes, lambda peer: peer.says in wanted.get(peer.log, ()))
    wrong = sorted((*servers, *clients), key=lambda peer: (peer.log, peer.connection))
    return Peers(
        len(_connections(gateway)),
        len(_connections(nodes)),
        len(_connections(gateway) - _connections(servers)),
        len(_connections(nodes) - _connections(clients)),
        tuple(
            f"connection {peer.connection} of {peer.log}: the peer was"
            f" {' '.join(peer.says).strip() or 'unnamed'}"
            for peer in wrong[:_MOST_EXAMPLES]
        ),
    )


def _says(certificate: Certificate | None) -> tuple[tuple[str, ...], ...]:
    """What a node logs of such a client."""
    if certificate is None:
        # Over TLS that asks for nothing, and without TLS.
        return (("NONE", "", ""), ("", "", ""))
    return ((_VERIFIED, certificate.subject, certificate.serial),)


def _judge(peers: Iterable[Peer], is_right: Callable[[Peer], bool]) -> list[Peer]:
    return [peer for peer in peers if not is_right(peer)]


def _connections(peers: Iterable[Peer]) -> set[tuple[str, str]]:
    return {(peer.log, peer.connection) for peer in peers}
