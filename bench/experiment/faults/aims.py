"""What faults and updates of a scenario are aimed at: subsets, their nodes, the clusters that lead there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.errors import MeasurementError
from bench.measure import Topology
from bench.preparation import Prepared
from bench.scenario import MixedRequest

_MOST_COMPARED = 20
"""Subsets among which two are looked for whose nodes speak the same."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One subset of the traffic, and what answers it: what a fault is aimed at."""

    subset: str
    clusters: frozenset[str]
    """The gateway's clusters that lead to its nodes alone."""
    node: str


@dataclass(frozen=True, slots=True)
class Aims:
    """What the faults of one scenario are aimed at."""

    first: Aim
    second: Aim | None
    """Answered by other nodes: what faults of routing mix up with the first; None: there is none."""
    split: tuple[Aim, Aim] | None = None
    """Two nodes that weights divide one subset between, each behind a cluster of its own."""

    def pair(self) -> tuple[Aim, Aim]:
        """Both.

        Raises:
            NotPossibleError: there is only one; a fault that needs two has that as its obstacle.
        """
        if self.second is None:
            raise NotPossibleError(ONLY_ONE)
        return self.first, self.second


class NotPossibleError(MeasurementError):
    """This fault cannot be made on what runs, and the message says why: nothing of its kind is there."""


ONLY_ONE = "no two subsets of the traffic go to different nodes"
"""Why a fault that needs two of them cannot be made."""
UNLIKE = (
    "no two subsets of the traffic go to different nodes that speak the same, with the same TLS and names in "
    "their certificates"
)
"""Why what is meant for one node cannot be answered by another."""
NO_SPLIT = "no subset of the traffic is divided by weights"
"""Why a fault that needs one cannot be made."""


def requests_through_gateway(prepared: Prepared) -> frozenset[str]:
    """The requests that pass all proxies of the path; without a gateway all of them do."""
    traffic = prepared.loaded.scenario.traffic
    straight = prepared.straight if traffic.gateway is not None else {}
    return frozenset(each.name for each in traffic.mix if each.name not in straight)


def requests_sent(prepared: Prepared, topology: Topology) -> frozenset[str]:
    """The requests that all proxies of the path read: bytes that they pass on are in no log of theirs."""
    return requests_through_gateway(prepared) - topology.unread


def find_aims(prepared: Prepared, topology: Topology) -> Aims:
    """The first subset that nodes answer, and the first one that other nodes answer, if there is any.

    Better two whose nodes speak the same: what is meant for the one is then understood by the other.

    Raises:
        NotPossibleError: no request is read by the proxies, or none is answered by nodes behind clusters of
            their own.
    """
    if not requests_through_gateway(prepared):
        raise NotPossibleError("no request of this traffic passes its gateway")
    sent = requests_sent(prepared, topology)
    read = [
        request
        for request in prepared.loaded.scenario.traffic.mix
        if request.is_plain_http and request.name in sent and request.expect.nodes
    ]
    if not read:
        raise NotPossibleError(
            "proxies pass on as bytes what this traffic sends: they log no request of it, and connections"
            " that are open stay where they are whatever the configuration says"
        )
    found = [
        Aim(request.name, _clusters(topology, request.expect.nodes), request.expect.nodes[0])
        for request in read
        if _clusters(topology, request.expect.nodes)
    ]
    if not found:
        return _split_aims(read, topology)
    return _two_of(prepared, found, {request.name: set(request.expect.nodes) for request in read})


def _two_of(prepared: Prepared, found: Sequence[Aim], nodes: Mapping[str, set[str]]) -> Aims:
    """Two of *found* that other nodes answer, if there are any; *nodes* are those of each subset."""
    unlike: Aims | None = None
    for each in found[:_MOST_COMPARED]:
        others = [one for one in found if not nodes[one.subset] & nodes[each.subset]][:_MOST_COMPARED]
        alike = next((one for one in others if speak_alike(prepared, each, one)), None)
        if alike is not None:
            return Aims(each, alike)
        if others:
            unlike = unlike or Aims(each, others[0])
    return unlike or Aims(found[0], None)


def speak_alike(prepared: Prepared, first: Aim, second: Aim) -> bool:
    """Whether each of two nodes takes what is meant for the other: protocol, TLS, and the names it shows."""
    nodes = prepared.loaded.scenario.nodes

    def spoken(name: str) -> tuple[object, ...]:
        node, tls = nodes[name], prepared.node_tls(name)
        shown = () if tls == "none" else (node.set, frozenset(node.server_names))
        return node.protocol, tls, shown

    return spoken(first.node) == spoken(second.node)


def _split_aims(read: Sequence[MixedRequest], topology: Topology) -> Aims:
    """Aims in a subset whose requests weights divide between nodes."""
    for request in read:
        parts = [
            Aim(request.name, _clusters(topology, (node,)), node)
            for node in request.expect.nodes
            if _clusters(topology, (node,))
        ]
        if len(parts) > 1:
            return Aims(parts[0], None, (parts[0], parts[1]))
    raise NotPossibleError("no subset of the traffic goes to nodes behind a cluster of their own")


def _clusters(topology: Topology, nodes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        cluster for cluster, behind in topology.cluster_nodes.items() if set(behind) == set(nodes)
    )
