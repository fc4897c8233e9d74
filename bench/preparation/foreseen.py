"""What a scenario expects, held against what the resources say: `run` warns of it, and `check` reports it.

All of this is known before anything starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from bench.errors import Position
from bench.placement import Address, same_endpoint
from bench.preparation.demands import Locate
from bench.routing import (
    Decision,
    Delivered,
    Destination,
    LocalAnswer,
    NoConnection,
    Outcome,
)
from bench.scenario import MixedRequest, Scenario
from bench.translate import ProxyConfig, reachable_clusters

_ROUNDING = 0.01
"""Shares this near to those of the resources are the same in other digits."""
_NOWHERE = Destination("", 0, "", ())


class Foresight(StrEnum):
    """What can be foreseen; the values are codes of `run`'s warnings."""

    EXPECTATION_CONTRADICTED = "expectation-contradicted"
    """A request takes another way than the scenario expects, or none."""
    SHARES_OF_CONNECTIONS = "shares-of-connections"
    IDLE_NODE = "idle-node"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One thing that will not be as the scenario has it."""

    code: Foresight
    where: Position
    what: str
    advice: str


def foresee(
    scenario: Scenario,
    configs: Iterable[ProxyConfig],
    decisions: Mapping[str, Decision],
    locate: Locate,
) -> Iterator[Foreseen]:
    """Name each request whose answer cannot be the expected one, and each node that nothing leads to.

    A request that the second opinion cannot judge is skipped: the calls before the load decide.

    Args:
        scenario: what is expected.
        configs: every proxy, once.
        decisions: what the resources say of each request of the traffic, by name.
        locate: finds the line of a field of the scenario.
    """
    yield from _contradictions(scenario, decisions, locate)
    yield from _shares_of_connections(scenario, locate)
    yield from _idle_nodes(scenario, configs, locate)


def _contradictions(
    scenario: Scenario, decisions: Mapping[str, Decision], locate: Locate
) -> Iterator[Foreseen]:
    nodes = {same_endpoint(address): name for name, node in scenario.nodes.items() for address in node.plays}
    for request in scenario.traffic.mix:
        said = _against(request, decisions[request.name], nodes)
        if said is not None:
            yield Foreseen(
                Foresight.EXPECTATION_CONTRADICTED,
                locate("traffic", "requests", request.key),
                f"{request.name} ({request.url}) expects {_expected(request)}; according to the resources it"
                f" gets {said}.",
                "Change what the request expects, or the resources.",
            )


def _shares_of_connections(scenario: Scenario, locate: Locate) -> Iterator[Foreseen]:
    """Shares that cannot be judged: weights divide the connections of what proxies pass on as bytes."""
    if scenario.traffic.connections.are_of_one_request:
        return
    for key in dict.fromkeys(
        each.key for each in scenario.traffic.mix if each.expect.shares and each.keeps_proxied_connection
    ):
        yield Foreseen(
            Foresight.SHARES_OF_CONNECTIONS,
            locate("traffic", "requests", key),
            f"proxies divide the connections of {key} and not its requests, and connections are kept: its"
            " shares are not judged.",
            "Write `connections: {requests_per_connection: 1}` to have them judged.",
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


def _idle_nodes(scenario: Scenario, configs: Iterable[ProxyConfig], locate: Locate) -> Iterator[Foreseen]:
    """Nodes that play nothing which a proxy leads to."""
    reached: set[Address] = set()
    for config in configs:
        clusters = reachable_clusters(config.listeners, config.routes)
        for name, ends in config.addresses.items():
            if name in clusters:
                reached |= {same_endpoint(each) for each in ends}
    for name, node in scenario.nodes.items():
        if not any(same_endpoint(each) in reached for each in node.plays):
            host, port = node.address
            yield Foreseen(
                Foresight.IDLE_NODE,
                locate("nodes", name),
                f"no proxy leads to {host}:{port}, which {name} plays; it gets no request.",
                "Remove the node, or let it play an address that the resources lead to.",
            )
