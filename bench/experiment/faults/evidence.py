"""What the instruments saw of one load: client, processes, access logs, ledger. No word of what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bench.load import LoadOutcome, LoadPlan, RequestKind
from bench.load.engine import SEQUENCES, kinds_of
from bench.measure import Readings, Topology
from bench.result import LedgerResult
from bench.telemetry import EnvoyEntry, NodeEntry, read_envoy_log, read_node_log

_ENDED_BY_PEER = ("upstream_cx_close_notify", "upstream_cx_destroy_remote")
"""Of Envoy's counters: by ``Connection: close`` or GOAWAY, and by the peer's end of the connection."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it."""

    topology: Topology
    reasons: Mapping[tuple[str, str], int]
    """Subset and reason -> requests without a right answer."""
    bodies: Mapping[tuple[str, str], str]
    """Subset and reason -> the first such answer, whole."""
    sidecar: tuple[EnvoyEntry, ...]
    gateway: tuple[EnvoyEntry, ...]
    nodes: Mapping[str, tuple[NodeEntry, ...]]
    wanted: Mapping[str, tuple[str, ...]]
    """Request id -> nodes that may answer it."""
    pages: Mapping[str, str]
    """Node -> the mark on its own page."""
    died: Mapping[str, float]
    """Part -> seconds from the load's start when its process was found to have ended."""
    restarted: frozenset[str]
    """Proxies that are another process than before."""
    ledger: LedgerResult
    ended_by: Mapping[str, int]
    """Node -> connections that ended because it said so, or by itself."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """``ip:port`` -> the node that listens there."""
    shares: Mapping[str, Mapping[tuple[str, ...], float]] = field(default_factory=dict)
    """Subset -> nodes behind one destination -> the part of its answers that the weights give them."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Request id -> its subset."""

    @property
    def bad(self) -> int:
        """Requests without a right answer."""
        return sum(self.reasons.values())


def collect(
    load: LoadPlan,
    outcome: LoadOutcome,
    *,
    topology: Topology,
    before: Readings,
    after: Readings,
    ledger: LedgerResult,
    died: Mapping[str, float],
    pages: Mapping[str, str],
    nodes: Mapping[str, str],
    shares: Mapping[str, Mapping[tuple[str, ...], float]],
) -> Evidence:
    """Read the logs of all hops since *before* and put everything together."""
    reasons: Counter[tuple[str, str]] = Counter()
    for stage in outcome.stages:
        for subset in stage.subsets:
            for reason, count in subset.counts.reasons.items():
                reasons[subset.name, reason] += count
    prefix = f"{load.run_id}/"
    return Evidence(
        topology=topology,
        reasons=reasons,
        bodies={(each.subset, each.reason): each.response for each in outcome.examples},
        sidecar=_proxy_entries(before, topology.sidecar, prefix),
        gateway=_proxy_entries(before, topology.gateway, prefix),
        nodes={
            name: tuple(
                entry
                for entry in read_node_log(before.logs[name].path, offset=before.logs[name].offset)
                if (entry.id or "").startswith(prefix)
            )
            for name in before.logs
            if name not in (topology.sidecar, topology.gateway)
        },
        wanted=_wanted(load, outcome),
        pages=pages,
        died=died,
        restarted=frozenset(
            name for name, instance in before.instances.items() if after.instances[name] != instance
        ),
        ledger=ledger,
        ended_by=_ended_by(topology, before, after),
        addresses=nodes,
        shares=shares,
        kinds={request_id: kind.name for request_id, kind in _kinds(load, outcome)} if shares else {},
    )


def _ended_by(topology: Topology, before: Readings, after: Readings) -> dict[str, int]:
    then, now = before.counters[topology.gateway], after.counters[topology.gateway]
    ended: Counter[str] = Counter()
    for cluster, nodes in topology.cluster_nodes.items():
        for name in _ENDED_BY_PEER:
            counter = f"cluster.{cluster}.{name}"
            if len(nodes) == 1:
                ended[nodes[0]] += max(0, now.get(counter, 0) - then.get(counter, 0))
    return dict(ended)


def _proxy_entries(before: Readings, proxy: str, prefix: str) -> tuple[EnvoyEntry, ...]:
    mark = before.logs[proxy]
    return tuple(
        entry
        for entry in read_envoy_log(mark.path, offset=mark.offset)
        if (entry.id or "").startswith(prefix)
    )


def _wanted(load: LoadPlan, outcome: LoadOutcome) -> dict[str, tuple[str, ...]]:
    return {request_id: kind.expect.nodes for request_id, kind in _kinds(load, outcome)}


def _kinds(load: LoadPlan, outcome: LoadOutcome) -> Iterator[tuple[str, RequestKind]]:
    due = {stage.name: sum(part.counts.due for part in stage.subsets) for stage in outcome.stages}
    for number, stage in enumerate(load.stages):
        for index, kind in enumerate(kinds_of(load, number, due.get(stage.name, 0)).tolist()):
            yield f"{load.run_id}/{number * SEQUENCES + index:013d}", load.requests[kind]
