"""Subsets that nobody defines, and subsets that a gateway's rules leave out (IST0101, IST0140).

Source of the rules: istio ``virtualservice/destinationrules.go`` and ``destinationhosts.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.references import Reference, references
from bench.check.rules.surroundings import Surroundings
from bench.istio.hosts import MESH, covers, is_wildcard
from bench.istio.models import DestinationRule, VirtualService
from bench.istio.resource import Resource
from bench.message import say


def check_subsets(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0101 for a subset that no DestinationRule of the host has.

    istioctl joins rule and route by the text of the host, and by their namespace unless the host is that of a
    Kubernetes Service. istiod applies a rule of the service's or the root namespace as well, and a wildcard
    rule to every service below it, so those count here too.
    """
    rules: dict[str, list[Resource[DestinationRule]]] = {}
    wildcards: list[tuple[str, Resource[DestinationRule]]] = []
    for rule in surroundings.resources.destination_rules:
        host = surroundings.full_name(rule.spec.host, rule.namespace)
        rules.setdefault(host, []).append(rule)
        if is_wildcard(host) and rule.spec.subsets:
            wildcards.append((host, rule))
    for virtual_service in surroundings.resources.virtual_services:
        for reference in references(virtual_service.spec):
            subset = reference.destination.subset
            host = surroundings.full_name(reference.destination.host, virtual_service.namespace)
            if not subset:
                continue
            candidates = list(rules.get(host, ()))
            if host in surroundings.hosts:
                candidates += [rule for wildcard, rule in wildcards if covers(wildcard, host)]
            owners = _owners(surroundings, virtual_service, host)
            defining = [rule for rule in candidates if any(each.name == subset for each in rule.spec.subsets)]
            if not any(owners is None or rule.namespace in owners for rule in defining):
                yield _undefined(virtual_service, reference, candidates, defining)


def _owners(
    surroundings: Surroundings, virtual_service: Resource[VirtualService], host: str
) -> frozenset[str] | None:
    """Give the namespaces whose rules count for *host*; ``None`` is every one."""
    if surroundings.semantics == "istio-1.0" or host.endswith(f".svc.{surroundings.domain}"):
        return None
    owners = {virtual_service.namespace, surroundings.root_namespace}
    owners |= {known.namespace for known in surroundings.hosts.get(host, ())}
    for name in virtual_service.spec.gateways:
        gateway = None if name == MESH else surroundings.gateway(name, virtual_service.namespace)
        if gateway is not None:
            owners |= {workload.namespace for workload in surroundings.selected(gateway.spec.selector)}
    return frozenset(owners)


def _undefined(
    virtual_service: Resource[VirtualService],
    reference: Reference,
    rules: list[Resource[DestinationRule]],
    defining: list[Resource[DestinationRule]],
) -> Finding:
    kind = "mirror" if reference.is_mirror else "route"
    host, subset = reference.destination.host, reference.destination.subset
    others = tuple(sorted({each.name for rule in rules for each in rule.spec.subsets}))
    if defining:
        message = say(
            RuleCase.SUBSET_ELSEWHERE,
            kind=kind,
            subset=subset,
            host=host,
            rule=defining[0].title,
            namespace=virtual_service.namespace,
        )
    elif others:
        message = say(RuleCase.SUBSET_UNKNOWN, kind=kind, subset=subset, host=host, others=others)
    else:
        message = say(RuleCase.SUBSET_UNDEFINED, kind=kind, subset=subset, host=host)
    return finding(Level.ERROR, "IST0101", virtual_service, (*reference.path, "subset"), message)


def check_subsets_at_gateways(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0140: the mesh's rules for a host pick a subset, the gateway's rules for it do not.

    istioctl takes any entry of ``gateways`` for a gateway, ``mesh`` too; here a real gateway must be named.
    """
    with_subset: dict[str, list[Resource[VirtualService]]] = {}
    for virtual_service in surroundings.resources.virtual_services:
        spec = virtual_service.spec
        for host in {
            route.destination.host
            for rule in spec.http
            for route in rule.route
            if route.destination.subset and route.destination.host in spec.hosts
        }:
            with_subset.setdefault(host, []).append(virtual_service)
    for virtual_service in surroundings.resources.virtual_services:
        if all(name == MESH for name in virtual_service.spec.gateways):
            continue
        for number, rule in enumerate(virtual_service.spec.http):
            for index, route in enumerate(rule.route):
                if route.destination.subset:
                    continue
                for other in with_subset.get(route.destination.host, ()):
                    yield finding(
                        Level.WARNING,
                        "IST0140",
                        virtual_service,
                        ("spec", "http", number, "route", index, "destination", "host"),
                        say(RuleCase.SUBSET_LEFT_OUT, other=other.title, host=route.destination.host),
                    )
