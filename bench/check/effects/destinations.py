"""Routes whose cluster is missing (EB0101) or has no endpoint (EB0102)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from bench.check.effects.survey import Survey
from bench.check.effects.uses import Use
from bench.check.finding import Finding, Level
from bench.check.messages import EffectCase
from bench.errors import Position
from bench.explain import destination_of, why_missing
from bench.istio.cluster_names import parse_cluster_name
from bench.istio.registry import Origin
from bench.message import Message, say

_MOST_KINDS = 2
"""Kinds of requests that are written out."""
Groups = dict[tuple[Position, str], list[Use]]


def check_destinations(found: Survey) -> Iterator[Finding]:
    """Report what each route leads to that is not there."""
    missing: Groups = defaultdict(list)
    empty: Groups = defaultdict(list)
    for use in found.uses:
        cluster = use.here.clusters.find(use.cluster)
        if cluster is not None and (
            destination_of(cluster) is not None or use.here.clusters.endpoints(cluster)
        ):
            continue
        # Lines are looked up only here, where something is wrong.
        where = use.where
        if where is not None:
            (missing if cluster is None else empty)[where, use.cluster].append(use)
    for (where, name), uses in missing.items():
        yield _missing(found, where, name, uses)
    for (where, name), uses in empty.items():
        yield _empty(found, where, name, uses)


def _effect(uses: list[Use], flags: str) -> Message:
    first = uses[0]
    who = tuple(dict.fromkeys(use.who for use in uses))
    if len(who) > _MOST_KINDS:
        who = (who[0], say(EffectCase.OTHER_KINDS, count=len(who) - 1))
    proxies = tuple(dict.fromkeys(use.here.name for use in uses))
    if first.is_mirror:
        return say(EffectCase.ARE_LOST, who=who, proxies=proxies)
    case = EffectCase.GET_503 if first.is_http else EffectCase.ARE_CLOSED
    return say(case, who=who, flags=flags, proxies=proxies)


def _missing(found: Survey, where: Position, name: str, uses: list[Use]) -> Finding:
    cause = why_missing(uses[0].here, found.proxies, name)
    return found.finding(
        Level.WARNING if uses[0].is_mirror or not uses[0].has_rule else Level.ERROR,
        "EB0101",
        where,
        say(EffectCase.NO_CLUSTER, effect=_effect(uses, "NC"), cluster=name, cause=cause),
    )


def _empty(found: Survey, where: Position, name: str, uses: list[Use]) -> Finding:
    # Without a rule of the user's nothing says that anybody calls this service.
    named = parse_cluster_name(name)
    host, port, subset = (named.host, named.port, named.subset) if named is not None else (name, 0, "")
    is_entry = any(
        service.host == host and service.origin is Origin.SERVICE_ENTRY for service in found.registry.services
    )
    level = Level.WARNING if is_entry else Level.INFO
    if uses[0].has_rule and not uses[0].is_mirror:
        level = Level.ERROR
    effect = _effect(uses, "UH")
    message = say(EffectCase.NO_ENDPOINT, effect=effect, host=host, port=port)
    if subset:
        message = say(EffectCase.NO_ENDPOINT_OF_SUBSET, effect=effect, subset=subset, host=host, port=port)
    return found.finding(
        level,
        "EB0102",
        where,
        message,
    )
