"""What a scenario expects, held against what the resources say: known before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from bench.placement import Address, same_endpoint
from bench.preparation import Prepared
from bench.result import RunWarning
from bench.routing import (
    Decision,
    Delivered,
    Destination,
    LocalAnswer,
    NoConnection,
    Outcome,
)
from bench.scenario import MixedRequest
from bench.translate import reachable_clusters

_ROUNDING = 0.01
"""Shares this near to those of the resources are the same in other digits."""
_NOWHERE = Destination("", 0, "", ())


def expectation_warnings(prepared: Prepared) -> tuple[RunWarning, ...]:
    """Name each request whose answer cannot be the expected one, and each node that nothing leads to.

    A request that the second opinion cannot judge is skipped: the calls before the load decide.
    """
    return (
        *_contradictions(prepared),
        *_shares_of_connections(prepared),
        *_idle_nodes(prepared),
    )


def _contradictions(prepared: Prepared) -> Iterator[RunWarning]:
    loaded = prepared.loaded
    nodes = {
        same_endpoint(address): name for name, node in loaded.scenario.nodes.items() for address in node.plays
    }
    for request in loaded.scenario.traffic.mix:
        said = _against(request, prepared.decisions[request.name], nodes)
        if said is not None:
            where = loaded.position("traffic", "requests", request.key)
            yield RunWarning(
                code="expectation-contradicted",
                message=f"{where}: {request.name} ({request.url}) expects {_expected(request)};"
                f" according to the resources it gets {said}.",
                advice="Change what the request expects, or the resources.",
            )


def _shares_of_connections(prepared: Prepared) -> Iterator[RunWarning]:
    """Shares that cannot be judged: weights divide the connections of what proxies pass on as bytes."""
    loaded = prepared.loaded
    if loaded.scenario.traffic.connections.are_of_one_request:
        return
    for key in dict.fromkeys(
        each.key
        for each in loaded.scenario.traffic.mix
        if each.expect.shares and each.keeps_proxied_connection
    ):
        yield RunWarning(
            code="shares-of-connections",
            message=f"{loaded.position('traffic', 'requests', key)}: proxies divide the connections of {key}"
            " and not its requests, and connections are kept: its shares are not judged.",
            advice="Write `connections: {requests_per_connection: 1}` to have them judged.",
        )


def _against(request: MixedRequest, decision: Decision, nodes: Mapping[Address, str]) -> str | None:
    """What *request* gets that it does not expect; None: nothing, or that is unknown."""
    if not decision.is_judged:
        return None
    reported: dict[str, Fraction] = {}
    for branch in decision.branches:
        said = _misfit(request, branch.outcome, nodes)
        if said is not None:
            reported[said] = reported.get(said, Fraction(0)) + branch.probability
    if not reported:
        return _other_shares(request, decision, nodes)
    parts = (f"{_percent(part)}{said}" for said, part in reported.items())
    return " or ".join(parts)


def _percent(part: Fraction) -> str:
    return "" if part == 1 else f"for {float(part * 100):.3g} % of its requests "


def _misfit(request: MixedRequest, outcome: Outcome, nodes: Mapping[Address, str]) -> str | None:
    """What is wrong with *outcome*, for people; None: it is expected, or it is not known who answers."""
    expect = request.expect
    match outcome:
        case Delivered(destination=destination):
            ends = [same_endpoint((each.address, each.port)) for each in destination.endpoints]
            found = {nodes[end] for end in ends if end in nodes}
            # Which of its endpoints a destination prefers, by locality or by hash, is not decided here.
            if not all(end in nodes for end in ends) or found & set(expect.nodes):
                return None
            return f"an answer from {' or '.join(sorted(found)) or 'no node'} ({destination.name})"
        case LocalAnswer(status=status, by=by, why=why):
            if not expect.nodes and status == expect.status:
                return None
            return f"{status} from {by} ({why})"
        case NoConnection(by=by, why=why):
            return f"no connection to {by} ({why})"
        case _:
            return None


def _other_shares(request: MixedRequest, decision: Decision, nodes: Mapping[Address, str]) -> str | None:
    """The shares of the resources, where those that *request* expects are others."""
    whole = sum(request.expect.shares.values())
    meant: dict[frozenset[str], float] = {}
    for destination, part in decision.destinations().items():
        ends = [same_endpoint((each.address, each.port)) for each in (destination or _NOWHERE).endpoints]
        if not ends or not all(end in nodes for end in ends):
            return None
        names = frozenset(nodes[end] for end in ends)
        meant[names] = meant.get(names, 0.0) + float(part)
    # Two destinations that share a node leave open which of its answers are whose.
    if not whole or sum(map(len, meant)) > len(frozenset().union(*meant)):
        return None
    wished = {names: sum(request.expect.shares.get(each, 0.0) for each in names) / whole for names in meant}
    if all(abs(wished[names] - part) <= _ROUNDING + _ROUNDING * part for names, part in meant.items()):
        return None
    return " and ".join(f"{part:.3g} from {' or '.join(sorted(names))}" for names, part in meant.items())


def _expected(request: MixedRequest) -> str:
    expect = request.expect
    if expect.shares:
        whole = sum(expect.shares.values())
        parts = " and ".join(f"{share / whole:.3g} from {name}" for name, share in expect.shares.items())
        return f"answers in shares of {parts}"
    if expect.nodes:
        return f"an answer from {' or '.join(expect.nodes)}"
    return f"{expect.status} from a proxy" if request.is_http else "an answer"


def _idle_nodes(prepared: Prepared) -> Iterator[RunWarning]:
    """Nodes that play nothing which a proxy leads to."""
    loaded = prepared.loaded
    reached: set[Address] = set()
    for (_, source), config in prepared.configs.items():
        if source != "static":
            continue
        clusters = reachable_clusters(config.listeners, config.routes)
        for name, ends in config.addresses.items():
            if name in clusters:
                reached |= {same_endpoint(each) for each in ends}
    for name, node in loaded.scenario.nodes.items():
        if not any(same_endpoint(each) in reached for each in node.plays):
            host, port = node.address
            yield RunWarning(
                code="idle-node",
                message=f"{loaded.position('nodes', name)}: no proxy leads to {host}:{port}, which {name}"
                " plays; it gets no request.",
                advice="Remove the node, or let it play an address that the resources lead to.",
            )
