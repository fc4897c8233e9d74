"""Stand-ins for the endpoints of a draft: one for each, or a few that share many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.draft.material import Spoken, spoken_to, typed_names
from bench.draft.targets import Target, endpoints_of
from bench.istio.cluster_names import cluster_name
from bench.istio.hosts import is_wildcard
from bench.routing import Destination
from bench.translate import ProxyConfig

MOST_NODES = 12
"""Beyond this many endpoints, nodes share them: each is a server process of its own."""
SHARED_NODES = 8


@dataclass
class DraftNode:
    """One node of the draft."""

    name: str
    plays: list[str] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    """Of its certificate; empty: no TLS."""
    tls: str = "none"
    answers_any_path: bool = False
    """Whether it is asked for more than its page."""
    protocol: str = ""
    """``bytes`` or ``http/2``; empty: HTTP/1.1."""


@dataclass(frozen=True)
class Stage:
    """The nodes, and which of them may answer each target."""

    nodes: tuple[DraftNode, ...]
    answering: Mapping[str, Mapping[str, float | None]]
    """Name of the target -> node -> its share; None: its load balancer decides, not the weights."""
    is_shared: bool
    most_connections: int | None = None
    """What the connection pools on the way let through; None: any number."""


def cast_nodes(targets: Sequence[Target], configs: Sequence[ProxyConfig]) -> Stage:
    """Give every endpoint that *targets* can reach a node that plays it."""
    users = endpoints_of(targets)
    all_spoken = _spoken_by_all(configs)
    is_shared = len(users) > MOST_NODES
    nodes: dict[tuple[object, ...], DraftNode] = {}
    # A node and a proxy are parts of one stack: no two parts of it share a name.
    names = {config.proxy: 1 for config in configs}
    of_endpoint: dict[tuple[str, int], DraftNode] = {}
    for index, ((address, port), uses) in enumerate(users.items()):
        target, destination = min(
            uses, key=lambda use: _rank(_speaks(use[0], _spoken(use[0], use[1], all_spoken)))
        )
        spoken = _spoken(target, destination, all_spoken)
        kind = (*_kind(target, spoken), port) if is_shared else ("alone", index)
        key = (*kind, index % SHARED_NODES) if is_shared else kind
        node = nodes.get(key)
        if node is None:
            base = f"node-{len(nodes) + 1}" if is_shared else _base(target, destination, address)
            names[base] = names.get(base, 0) + 1
            number = f"-{names[base]}" if names[base] > 1 else ""
            node = nodes[key] = DraftNode(f"{base}{number}")
            node.tls, node.protocol = _speaks(target, spoken)
        node.plays.append(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
        of_endpoint[address, port] = node
        for each, its in uses:
            node.answers_any_path |= each.scheme == "http" and each.sees_path.partition("?")[0] != "/"
            what = _spoken(each, its, all_spoken)
            if what.tls != "none" or each.scheme == "https":
                asked = [each.sees_host, its.host, *what.names]
                if is_wildcard(its.host):
                    # The request matrix asks one label deeper, too, which a wildcard does not cover.
                    asked.append(its.host.replace("*", "*.any", 1))
                node.names |= dict.fromkeys(typed_names(asked))
    answering = {target.name: _shares(target, of_endpoint) for target in targets}
    pools = [each.most_connections for each in all_spoken.values() if each.most_connections is not None]
    return Stage(tuple(nodes.values()), answering, is_shared, min(pools, default=None))


def misfits(targets: Sequence[Target], configs: Sequence[ProxyConfig]) -> dict[str, str]:
    """Give each target whose endpoint others speak something else to -> why no server can answer both.

    Who speaks TLS is believed: plain text to such a port is the mistake that people make.
    """
    all_spoken = _spoken_by_all(configs)
    found: dict[str, str] = {}
    for (address, port), uses in endpoints_of(targets).items():
        spoken = {each.name: (each, _speaks(each, _spoken(each, its, all_spoken))) for each, its in uses}
        best = min((kind for _, kind in spoken.values()), key=_rank)
        for name, (target, kind) in spoken.items():
            if not _answers(best, kind):
                rival = next(other for other, its in spoken.values() if its == best)
                found[name] = (
                    f"{address}:{port} gets {_words(kind)} of {target.url} and {_words(best)} of {rival.url}:"
                    " no server speaks both"
                )
    return found


def _spoken_by_all(configs: Sequence[ProxyConfig]) -> dict[tuple[str, str], Spoken]:
    return {
        (config.proxy, cluster.name): spoken_to(cluster) for config in configs for cluster in config.clusters
    }


_RANKS = {"simple": 0, "mutual": 1, "none": 2}


def _rank(kind: tuple[str, str]) -> tuple[int, bool, bool]:
    """A server of the first kind answers most others: it demands no certificate, and speaks HTTP/2, too."""
    tls, protocol = kind
    return _RANKS[tls], protocol == "bytes", protocol != "http/2"


def _answers(server: tuple[str, str], client: tuple[str, str]) -> bool:
    if server[0] == "none" or client[0] == "none":
        return server == client
    # By ALPN a server of HTTP/2 speaks HTTP/1.1 as well.
    return server[1] == client[1] or (server[1], client[1]) == ("http/2", "")


def _words(kind: tuple[str, str]) -> str:
    tls, protocol = kind
    what = {"bytes": "bytes", "http/2": "HTTP/2"}.get(protocol, "HTTP")
    return f"{what} in plain text" if tls == "none" else f"{what} within TLS"


def _base(target: Target, destination: Destination, address: str) -> str:
    if len(target.shares) == 1 and len(destination.endpoints) == 1:
        return target.name
    plain = destination.host.removeprefix("*.").partition(".")[0] or address
    return f"{plain}-{destination.subset}" if destination.subset else plain


def _kind(target: Target, spoken: Spoken) -> tuple[object, ...]:
    return _speaks(target, spoken)


def _speaks(target: Target, spoken: Spoken) -> tuple[str, str]:
    """Give the TLS and the protocol that a node must speak."""
    if target.scheme == "tcp":
        return spoken.tls, "bytes"
    if target.scheme == "https":
        return "simple", ""
    return spoken.tls, "http/2" if spoken.is_http2 else ""


def _spoken(target: Target, destination: Destination, spoken: Mapping[tuple[str, str], Spoken]) -> Spoken:
    last = target.path_of_proxies[-1] if target.path_of_proxies else ""
    return spoken.get((last, cluster_name(destination.host, destination.port, destination.subset)), Spoken())


def _shares(target: Target, of_endpoint: Mapping[tuple[str, int], DraftNode]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for destination, part in target.shares.items():
        nodes = {of_endpoint[each.address.lower(), each.port].name for each in destination.endpoints}
        # Between endpoints of one destination locality, hash and state decide, and no written weight.
        is_decided = len(nodes) == 1 and not nodes & set(found)
        found |= dict.fromkeys(sorted(nodes), float(part) if is_decided else None)
    return found
