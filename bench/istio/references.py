"""References between resources that lead nowhere.

istiod accepts them (the other resource may come later), but a benchmark of a route to a subset that does not
exist would measure nothing but 503s: the caller decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bench.istio.decode import nearest
from bench.istio.models.virtual_service import (
    Destination,
    HTTPMatchRequest,
    HTTPRoute,
    HTTPRouteDestination,
    L4MatchAttributes,
    RouteDestination,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)
from bench.istio.naming import MESH, resolve_gateway, resolve_host
from bench.istio.problem import Path, Problem, path_text
from bench.istio.resource import Resource, Resources


def find_dangling(resources: Resources, *, domain: str = "cluster.local") -> list[Problem]:
    """The gateways, subsets and delegates that a VirtualService names and nothing defines.

    In the order of the resources. Visibility (``exportTo``) is not asked for: what exists is found.
    """
    gateways = {f"{gateway.namespace}/{gateway.name}" for gateway in resources.gateways}
    services = {f"{service.namespace}/{service.name}" for service in resources.virtual_services}
    subsets = _subsets(resources, domain)
    problems: list[Problem] = []
    for service in resources.virtual_services:
        problems += _missing_gateways(service, gateways)
        problems += _missing_subsets(service, subsets, domain)
        problems += _missing_delegates(service, services)
    return problems


@dataclass(slots=True)
class _Subsets:
    """Subset names of each host, in small letters; wildcard hosts apart."""

    by_host: dict[str, set[str]] = field(default_factory=dict)
    by_suffix: dict[str, set[str]] = field(default_factory=dict)

    def of(self, host: str) -> set[str]:
        """All subsets of all rules that apply to *host*."""
        found = set(self.by_host.get(host, ()))
        for suffix, names in self.by_suffix.items():
            if host.endswith(suffix):
                found |= names
        return found


def _subsets(resources: Resources, domain: str) -> _Subsets:
    subsets = _Subsets()
    for rule in resources.destination_rules:
        host = resolve_host(rule.spec.host, rule.namespace, domain)
        known, key = (subsets.by_suffix, host[1:]) if host.startswith("*") else (subsets.by_host, host)
        known.setdefault(key, set()).update(subset.name for subset in rule.spec.subsets)
    return subsets


def _rules(spec: VirtualService) -> Iterator[tuple[str, Sequence[HTTPRoute | TLSRoute | TCPRoute]]]:
    yield "http", spec.http
    yield "tls", spec.tls
    yield "tcp", spec.tcp


def _gateway_references(spec: VirtualService) -> Iterator[tuple[Path, str]]:
    for index, name in enumerate(spec.gateways):
        yield ("spec", "gateways", index), name
    for field_name, routes in _rules(spec):
        for index, route in enumerate(routes):
            matches: Sequence[HTTPMatchRequest | TLSMatchAttributes | L4MatchAttributes] = route.match
            for number, match in enumerate(matches):
                for place, name in enumerate(match.gateways):
                    yield ("spec", field_name, index, "match", number, "gateways", place), name


def _missing_gateways(service: Resource[VirtualService], gateways: set[str]) -> Iterator[Problem]:
    for path, reference in _gateway_references(service.spec):
        name = resolve_gateway(reference, service.namespace)
        if name == MESH or name in gateways:
            continue
        what = f'{service.title}: {path_text(path)}: there is no Gateway "{name}".'
        yield Problem(service.position(path), what, _advice(name, gateways, "Gateway"))


def _destinations(spec: VirtualService) -> Iterator[tuple[Path, Destination]]:
    for index, route in enumerate(spec.http):
        if route.mirror is not None:
            yield ("spec", "http", index, "mirror"), route.mirror
        for number, mirror in enumerate(route.mirrors):
            yield ("spec", "http", index, "mirrors", number, "destination"), mirror.destination
    for field_name, routes in _rules(spec):
        for index, any_route in enumerate(routes):
            targets: Sequence[HTTPRouteDestination | RouteDestination] = any_route.route
            for number, target in enumerate(targets):
                yield ("spec", field_name, index, "route", number, "destination"), target.destination


def _missing_subsets(service: Resource[VirtualService], subsets: _Subsets, domain: str) -> Iterator[Problem]:
    for path, destination in _destinations(service.spec):
        if not destination.subset:
            continue
        host = resolve_host(destination.host, service.namespace, domain)
        known = subsets.of(host)
        if destination.subset in known:
            continue
        at, name = (*path, "subset"), destination.subset
        what = f'{service.title}: {path_text(at)}: no DestinationRule gives {host} the subset "{name}".'
        yield Problem(service.position(at), what, _advice(destination.subset, known, "subset"))


def _missing_delegates(service: Resource[VirtualService], services: set[str]) -> Iterator[Problem]:
    for index, route in enumerate(service.spec.http):
        if route.delegate is None:
            continue
        name = f"{route.delegate.namespace or service.namespace}/{route.delegate.name}"
        if name not in services:
            path: Path = ("spec", "http", index, "delegate")
            what = f'{service.title}: {path_text(path)}: there is no VirtualService "{name}".'
            yield Problem(service.position(path), what, _advice(name, services, "VirtualService"))


def _advice(name: str, known: Iterable[str], what: str) -> str:
    names = sorted(known)
    if (near := nearest(name, names, cutoff=0.75)) is not None:
        return near
    few = ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
    return f"There is {few}." if names else f"Define the {what}, or remove the reference."
