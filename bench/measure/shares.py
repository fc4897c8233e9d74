"""Which node must answer how often: as the scenario says, else as the weights of the Istio resources do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bench.result import NodeShare, SharesResult, SubsetResult
from bench.routing import Delivered, Request, Router, judge_distribution
from bench.scenario import MixedRequest
from bench.scenario.load import LoadedScenario

ERROR_PROBABILITY = 1e-6
"""So seldom may a run with right shares fail for them."""

Nodes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpectedShares:
    """Of one subset."""

    source: Literal["scenario", "istio"]
    of: Mapping[Nodes, Fraction]
    """Nodes behind one destination -> its part of all answers."""


def expected_shares(loaded: LoadedScenario) -> Mapping[str, ExpectedShares]:
    """The shares of each subset whose answers must come from several destinations.

    Within one destination the load balancer decides, which is not random: nothing is expected of that. Of
    what proxies pass on, weights divide connections: of requests that share one, nothing is expected either.
    """
    scenario = loaded.scenario
    if not any(len(request.expect.nodes) > 1 for request in scenario.traffic.mix):
        return {}
    router = Router(loaded.resources, scenario.inventory)
    played = {each: name for name, node in scenario.nodes.items() for each in node.plays}
    found: dict[str, ExpectedShares] = {}
    for request in scenario.traffic.mix:
        expect = request.expect
        if request.keeps_proxied_connection and not scenario.traffic.connections.are_of_one_request:
            continue
        if expect.shares:
            whole = sum(Fraction(str(weight)) for weight in expect.shares.values())
            parts: dict[Nodes, Fraction] = {
                (node,): Fraction(str(weight)) / whole for node, weight in expect.shares.items()
            }
            found[request.name] = ExpectedShares("scenario", parts)
        elif len(expect.nodes) > 1 and request.is_plain_http:
            weights = _by_routing(router, request, played)
            if weights is not None:
                found[request.name] = ExpectedShares("istio", weights)
    return found


def _by_routing(
    router: Router, mixed: MixedRequest, played: Mapping[tuple[str, int], str]
) -> Mapping[Nodes, Fraction] | None:
    """What the resources say; None where no weights decide, or not every answer comes from a node."""
    path, _, query = mixed.path.partition("?")
    headers = tuple(mixed.headers.items())
    host = next((value for key, value in headers if key.lower() == "host"), mixed.authority)
    decision = router.decide(
        Request(
            host,
            mixed.port,
            path,
            mixed.method,
            tuple((key, value) for key, value in headers if key.lower() != "host"),
            query,
            mixed.client,
        )
    )
    shares: dict[Nodes, Fraction] = {}
    for branch in decision.branches:
        if not isinstance(branch.outcome, Delivered):
            return None
        ends = [(each.address, each.port) for each in branch.outcome.destination.endpoints]
        nodes = tuple(sorted({played[end] for end in ends if end in played}))
        if not nodes or len(ends) != sum(end in played for end in ends):
            return None
        shares[nodes] = shares.get(nodes, Fraction(0)) + branch.probability
    every = [node for nodes in shares for node in nodes]
    is_one_to_one = len(every) == len(set(every))
    return shares if len(shares) > 1 and is_one_to_one else None


def judge_shares(
    expected: Mapping[str, ExpectedShares], totals: Iterable[SubsetResult]
) -> tuple[SharesResult, ...]:
    """Hold the answers of each subset against what is expected; subsets without an answer are left out."""
    return tuple(
        _judge(subset, expected[subset.name])
        for subset in totals
        if subset.name in expected and subset.answered_by
    )


def _judge(subset: SubsetResult, expected: ExpectedShares) -> SharesResult:
    of_node = {node: nodes for nodes in expected.of for node in nodes}
    observed: dict[Nodes, int] = dict.fromkeys(expected.of, 0)
    for node, count in subset.answered_by.items():
        nodes = of_node.get(node, (node,))
        observed[nodes] = observed.get(nodes, 0) + count
    test = judge_distribution(observed, expected.of, error_probability=ERROR_PROBABILITY)
    return SharesResult(
        subset=subset.name,
        source=expected.source,
        answers=test.samples,
        error_probability=test.error_probability,
        shares=(
            *(
                NodeShare(
                    nodes=share.key,
                    expected=float(share.expected),
                    observed=share.observed,
                    p_value=share.p_value,
                    fits=share.fits,
                )
                for share in test.shares
            ),
            *(
                NodeShare(nodes=nodes, expected=0.0, observed=count, p_value=0.0, fits=False)
                for nodes, count in test.strangers
            ),
        ),
    )
