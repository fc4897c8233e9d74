"""Routes whose cluster is missing (EB0101) or has no endpoint (EB0102)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from bench.check.effects.survey import Survey, joined
from bench.check.effects.uses import Use
from bench.check.finding import Finding, Level
from bench.errors import Position
from bench.explain import destination_of, why_missing
from bench.istio.cluster_names import parse_cluster_name
from bench.istio.registry import Origin

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


def _effect(uses: list[Use], flags: str) -> str:
    first = uses[0]
    kinds = list(dict.fromkeys(use.who for use in uses))
    who = joined(kinds if len(kinds) <= _MOST_KINDS else [kinds[0], f"{len(kinds) - 1} other kinds"])
    proxies = joined([use.here.name for use in uses])
    if first.is_mirror:
        return f"{who} are lost at {proxies}"
    if first.is_http:
        return f"{who} get 503 {flags} at {proxies}"
    return f"{who} are closed at {proxies} ({flags})"


def _missing(found: Survey, where: Position, name: str, uses: list[Use]) -> Finding:
    cause = why_missing(uses[0].here, found.proxies, name)
    return found.finding(
        Level.WARNING if uses[0].is_mirror or not uses[0].has_rule else Level.ERROR,
        "EB0101",
        where,
        reason=f"{_effect(uses, 'NC')}, because there is no cluster {name}: {cause.text}.",
        remedy=cause.remedy,
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
    what = f"the subset {subset} of {host}" if subset else host
    return found.finding(
        level,
        "EB0102",
        where,
        reason=f"{_effect(uses, 'UH')}, because {what} has no endpoint on port {port}.",
        remedy="Label the endpoints as the subset asks." if subset else "Name endpoints of the service.",
    )
