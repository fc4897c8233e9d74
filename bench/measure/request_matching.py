"""Level ``full`` of a trial's account: every request id looked up in the logs of all hops."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from bench.analysis.bounds import misroute_upper_bound
from bench.certs import Material
from bench.errors import InputError, MeasurementError
from bench.ledger import (
    GATEWAY_FIELDS,
    NODE_FIELDS,
    PEER_FIELDS,
    Account,
    ClientIds,
    ExpectedPeers,
    Ids,
    Ints,
    Logs,
    LogTally,
    PeerWatch,
    Span,
    account_of_ids,
    code_type,
    ends_of,
    judge_peers,
    merged,
    tally_log,
)
from bench.load import LoadOutcome, LoadPlan, unpack_sequences
from bench.load.engine import SEQUENCES, kinds_of
from bench.measure.expected_peers import expected_peers
from bench.measure.topology import Topology
from bench.preparation import Prepared
from bench.result import Book, ConnectionProof, ReasonCode
from bench.scenario import Closed, Traffic
from bench.telemetry import LogMark

# ``time`` of the handshake's log counts microseconds, that of the ledger seconds.
SIDECAR_LOG: Mapping[str, str] = MappingProxyType(
    {
        "at": "%START_TIME(%s.%6f)%",
        "id": "%REQ(X-BENCH-ID)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    }
)
"""What the sidecar's access log must hold to be matched; no more, since a run has millions of lines."""
GATEWAY_LOG: Mapping[str, str] = MappingProxyType(
    {
        **SIDECAR_LOG,
        "upstream_connection": "%UPSTREAM_CONNECTION_ID%",
        "peer_subject": "%UPSTREAM_PEER_SUBJECT%",
    }
)
"""The same of the gateway's, with the TLS connection to the node."""
_PROXY_FIELDS = ("id", "at", "status", "flags", "cluster", "attempts")


@dataclass(frozen=True, slots=True)
class Matched:
    """What matching found."""

    account: Account
    connections: ConnectionProof
    matched: int
    misrouted: int
    upper_bound: float | None
    seconds: float
    log_bytes: int


@dataclass(frozen=True, slots=True)
class Matcher:
    """Matches the logs of the trials of one stack."""

    topology: Topology
    peers: ExpectedPeers

    @classmethod
    def of_prepared(cls, prepared: Prepared, topology: Topology, material: Material) -> Matcher:
        """Expect what the translation makes each end present."""
        return cls(topology, expected_peers(prepared, material, topology))

    def match(self, logs: Mapping[str, LogMark], load: LoadPlan, outcome: LoadOutcome) -> Matched:
        """Read and match everything that was logged since the marks.

        Args:
            logs: part -> where its log was before the load.
            load: what was sent.
            outcome: what the generator says of it.

        Raises:
            MeasurementError: a log is missing, or was rotated or truncated.
        """
        began = time.monotonic()
        topology = self.topology
        client = _client_ids(load, outcome)
        names = {*topology.proxies, *_nodes(topology)}
        for name in sorted(names - logs.keys()):
            raise MeasurementError(f"{name} keeps no access log: its requests cannot be matched.")
        at_nodes = {name: PeerWatch(name, load.run_id, PEER_FIELDS) for name in _nodes(topology)}
        at_exit = {
            name: PeerWatch(name, load.run_id, GATEWAY_FIELDS)
            for name in (topology.gateways if topology.has_gateway else topology.clients)
        }
        nodes = tuple(
            tally_log(name, logs[name].chunks(), client.ids, fields=NODE_FIELDS, watch=watch)
            for name, watch in at_nodes.items()
        )
        proxies = {name: _tally(name, logs, client.ids, at_exit.get(name)) for name in topology.proxies}
        account = account_of_ids(
            client,
            Logs(
                sidecar=merged([proxies[name] for name in topology.clients]),
                gateway=merged([proxies[name] for name in topology.gateways])
                if topology.has_gateway
                else None,
                nodes=nodes,
                to_gateway=frozenset(topology.to_gateway),
                cluster_nodes=topology.cluster_nodes,
            ),
        )
        right = next(book for book in account.balances if book.book is Book.RIGHT_NODES)
        seen = right.left or 0
        misrouted = seen - (right.right or 0)
        return Matched(
            account=account,
            connections=self._prove(at_exit.values(), at_nodes.values()),
            matched=seen,
            misrouted=misrouted,
            upper_bound=misroute_upper_bound(misrouted, seen),
            seconds=time.monotonic() - began,
            log_bytes=sum(logs[name].bytes_since() for name in names),
        )

    def _prove(self, at_exit: Iterable[PeerWatch], at_nodes: Iterable[PeerWatch]) -> ConnectionProof:
        judged = judge_peers(
            frozenset().union(*(watch.peers for watch in at_exit)),
            frozenset().union(*(watch.peers for watch in at_nodes)),
            self.peers,
        )
        return ConnectionProof(
            connections_of_gateway=judged.of_gateway,
            connections_of_nodes=judged.of_nodes,
            right_servers=judged.right_servers,
            right_clients=judged.right_clients,
            expected_server=_listed(each.subject if each else "no TLS" for each in self.peers.servers),
            expected_client=_listed(
                str(each) if each else "no certificate"
                for certificates in self.peers.clients.values()
                for each in certificates
            ),
            examples=judged.examples,
        )


MOST_KINDS = 10_000
"""Of requests, and of nodes: which of them may answer which is a table, of 100 MB then."""


def require_matchable(traffic: Traffic) -> None:
    """Say at once if the ids of this traffic cannot be known.

    Raises:
        InputError: proxies do not read all requests; there are too many kinds of them; or a closed loop of
            several workers leaves holes in the sequence that cannot be resolved.
    """
    unseen = [each.name for each in traffic.mix if not each.is_plain_http]
    if unseen:
        raise InputError(
            f"proxies pass on {', '.join(unseen)} without reading requests: their logs have no ids to match.",
            remedy="Use `--ledger counters`.",
        )
    nodes = {node for each in traffic.mix for node in each.expect.nodes}
    if len(traffic.mix) > MOST_KINDS or len(nodes) > MOST_KINDS:
        raise InputError(
            f"ids of {len(traffic.mix)} kinds of requests to {len(nodes)} nodes cannot be matched: each may"
            f" be {MOST_KINDS} at most.",
            remedy="Use `--ledger counters`.",
        )
    if isinstance(traffic.schedule, Closed) and traffic.workers > 1:
        raise InputError(
            "the ids of a closed loop of several workers are not consecutive and cannot be matched.",
            remedy="Use one worker, an open schedule, or `--ledger counters`.",
        )


def require_read(topology: Topology, leaving: Collection[str] = ()) -> None:
    """Say at once if ids stand in requests that a proxy on the way does not read.

    Args:
        topology: the way of the load.
        leaving: sidecars that leave the mesh themselves.

    Raises:
        InputError: they do, and it names them; some requests pass the gateway, and others do not; or a mirror
            gets copies, which have the same ids.
    """
    if topology.has_gateway and leaving:
        raise InputError(
            f"requests leave the mesh by {topology.gateway} and past it, from {', '.join(sorted(leaving))}:"
            " ids are matched along one way.",
            remedy="Use `--ledger counters`, or a scenario for each way.",
        )
    copied = sorted({*topology.copied_by_sidecars, *topology.copied_by_gateways})
    if copied:
        raise InputError(
            f"rules mirror {', '.join(copied)}: a copy has the id of its request, so ids do not tell them"
            " apart.",
            remedy="Use `--ledger counters`.",
        )
    names = [*sorted(topology.unread), *(f"what goes by {name}" for name in sorted(topology.past_gateway))]
    if names:
        raise InputError(
            f"a proxy passes on {', '.join(names)} as bytes: its port is of protocol tcp or tls, so its log"
            " has no ids to match.",
            remedy="Use `--ledger counters`.",
        )


def _tally(name: str, logs: Mapping[str, LogMark], ids: Ids, watch: PeerWatch | None = None) -> LogTally:
    return tally_log(name, logs[name].chunks(), ids, fields=_PROXY_FIELDS, watch=watch)


def _listed(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))


def _nodes(topology: Topology) -> tuple[str, ...]:
    return tuple(sorted({node for nodes in topology.cluster_nodes.values() for node in nodes}))


def _client_ids(load: LoadPlan, outcome: LoadOutcome) -> ClientIds:
    due = {stage.name: sum(part.counts.due for part in stage.subsets) for stage in outcome.stages}
    sizes = [due.get(stage.name, 0) for stage in load.stages]
    spans = tuple(Span(number * SEQUENCES, size) for number, size in enumerate(sizes) if size)
    code = code_type(len(load.requests))
    kinds = [kinds_of(load, number, size).astype(code) for number, size in enumerate(sizes) if size]
    ids = Ids(load.run_id, spans)
    return ClientIds(
        ids,
        ends_of(ids, _ended(outcome), tuple((share.index, share.total) for share in outcome.lost_shares)),
        wanted=np.concatenate(kinds) if kinds else np.zeros(0, code),
        wants=tuple(kind.expect.nodes for kind in load.requests),
        has_all=all(stage.has_all_ended for stage in outcome.stages),
    )


def _ended(outcome: LoadOutcome) -> Mapping[ReasonCode, Ints]:
    """Sequence numbers of all requests without a right answer, by why."""
    found: dict[ReasonCode, list[Ints]] = {}
    for stage in outcome.stages:
        for part in stage.ended:
            found.setdefault(part.code, []).append(unpack_sequences(part.sequences))
    return {code: np.concatenate(parts) for code, parts in found.items()}
