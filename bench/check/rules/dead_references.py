"""What a VirtualService names and nothing defines: gateways, subsets, delegates (IST0101, EB0015).

istiod accepts such references, since the other resource may come later. `check` reports them with everything
else; `run` refuses them by the same rules, since it would measure nothing but 404s and 503s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.gateway_bindings import check_gateway_bindings, check_gateways_of_matches
from bench.check.rules.subsets import check_subsets
from bench.check.rules.surroundings import Surroundings
from bench.message import Message, say

_LEFT_OUT = "EB0015"


def check_delegates(surroundings: Surroundings) -> Iterator[Finding]:
    """EB0015 for a delegate that is not there: its rules are missing without a word, also from istioctl."""
    known = {f"{each.namespace}/{each.name}" for each in surroundings.resources.virtual_services}
    for virtual_service in surroundings.resources.virtual_services:
        for index, route in enumerate(virtual_service.spec.http):
            if route.delegate is None:
                continue
            name = f"{route.delegate.namespace or virtual_service.namespace}/{route.delegate.name}"
            if name in known:
                continue
            elsewhere = sorted(each for each in known if each.partition("/")[2] == route.delegate.name)
            yield finding(
                Level.ERROR,
                _LEFT_OUT,
                virtual_service,
                ("spec", "http", index, "delegate"),
                _no_delegate(name, elsewhere),
            )


def _no_delegate(name: str, elsewhere: Sequence[str]) -> Message:
    if elsewhere:
        return say(RuleCase.DELEGATE_ELSEWHERE, name=name, elsewhere=tuple(elsewhere))
    return say(RuleCase.NO_DELEGATE, name=name)


def dead_references(surroundings: Surroundings) -> tuple[Finding, ...]:
    """Find every gateway, subset and delegate that is named and not there, in the order of the rules."""
    return tuple(
        found
        for rule in (check_gateway_bindings, check_gateways_of_matches, check_subsets, check_delegates)
        for found in rule(surroundings)
        if found.code in ("IST0101", _LEFT_OUT)
    )
