"""Several VirtualServices for one host of the mesh (IST0109).

Source of the rule: istio ``virtualservice/conflictingmeshgatewayhosts.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import EVERYONE, Surroundings, scopes_of
from bench.istio.hosts import MESH, is_wildcard, overlap
from bench.istio.models import VirtualService
from bench.istio.resource import Resource
from bench.message import Message, say

Claims = dict[tuple[str, str], list[Resource[VirtualService]]]
"""Who claims a host within a scope (a namespace, or ``*``)."""


def check_mesh_hosts(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0109 once for each VirtualService that shares a host with another one in some scope.

    A private rule is compared with the public ones by overlap of their hosts; two public ones collide by
    equal hosts only, since there the more specific host wins. Istiod applies to each sidecar the oldest with
    a rule for it and ignores the rest, so nothing is undefined and the level is a warning.
    """
    claims = _claims(surroundings)
    rivals: dict[str, dict[str, Resource[VirtualService]]] = {}
    hosts: dict[str, set[str]] = {}
    owners: dict[str, Resource[VirtualService]] = {}
    public = [key for key in claims if key[0] == EVERYONE]
    for (scope, host), claimants in claims.items():
        everyone = list(claimants)
        if scope != EVERYONE:
            everyone += _public_claimants(claims, public, host)
        if len(everyone) < 2:
            continue
        for one in everyone:
            owners[one.title] = one
            hosts.setdefault(one.title, set()).add(host)
            for other in everyone:
                if other is not one:
                    rivals.setdefault(one.title, {})[other.title] = other
    for title, one in owners.items():
        yield _conflict(one, list(rivals.get(title, {}).values()), sorted(hosts[title]))


def _claims(surroundings: Surroundings) -> Claims:
    claims: Claims = {}
    for virtual_service in surroundings.resources.virtual_services:
        spec = virtual_service.spec
        if spec.gateways and MESH not in spec.gateways:
            continue
        for scope in sorted(scopes_of(spec.export_to, virtual_service.namespace)):
            for written in spec.hosts:
                host = surroundings.full_name(written, virtual_service.namespace)
                claims.setdefault((scope, host), []).append(virtual_service)
    return claims


def _public_claimants(
    claims: Claims, public: list[tuple[str, str]], host: str
) -> Iterator[Resource[VirtualService]]:
    exact = claims.get((EVERYONE, host), ())
    yield from exact
    for key in public:
        if key[1] != host and (is_wildcard(host) or is_wildcard(key[1])) and overlap(host, key[1]):
            yield from claims[key]


def _is_for_some_only(spec: VirtualService) -> bool:
    """Tell whether some sidecar may get no rule of it: istiod then goes on to the next one for the host."""
    return not spec.http or all(
        rule.match
        and all(
            match.source_labels
            or match.source_namespace
            or match.port
            or (match.gateways and MESH not in match.gateways)
            for match in rule.match
        )
        for rule in spec.http
    )


def _conflict(
    one: Resource[VirtualService], others: list[Resource[VirtualService]], hosts: list[str]
) -> Finding:
    # The same VirtualService can name a host twice; then it is its own rival.
    rivals = tuple(
        say(RuleCase.RIVAL, title=other.title, place=other.position(("metadata", "name"))) for other in others
    )
    message = say(
        RuleCase.HOST_CLAIMED,
        hosts=tuple(hosts),
        rivals=rivals or say(RuleCase.RIVAL_OF_ITSELF),
        fate=_fate(one, others),
    )
    return finding(Level.WARNING, "IST0109", one, ("spec", "hosts"), message)


def _fate(one: Resource[VirtualService], others: list[Resource[VirtualService]]) -> Message:
    oldest = min([one, *others], key=lambda resource: resource.order)
    if oldest is one:
        return say(RuleCase.IS_OLDEST_FOR_SOME if _is_for_some_only(one.spec) else RuleCase.IS_OLDEST)
    if any(_is_for_some_only(other.spec) for other in others if other.order < one.order):
        return say(RuleCase.OLDEST_FOR_SOME, oldest=oldest.title)
    return say(RuleCase.OLDER, oldest=oldest.title)
