"""TLS that a gateway passes on: the SNI alone decides.

Source: TLSRoute and TLSMatchAttributes in Istio's API reference. All conditions of one match must hold; of
several names for one SNI the most specific counts, of equal ones the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from bench.istio.models import (
    L4MatchAttributes,
    RouteDestination,
    TLSMatchAttributes,
    VirtualService,
)
from bench.istio.resource import Resource
from bench.routing.names import gateway_name, is_wildcard, written_name
from bench.routing.rules import Share, Viewpoint


@dataclass(frozen=True, slots=True)
class Passed:
    """Where connections of one SNI go."""

    why: str
    shares: tuple[Share, ...]
    is_own: bool = False
    """It is the service's own way, by no rule."""


def passed_names(
    virtual_services: Iterable[Resource[VirtualService]], view: Viewpoint
) -> Iterator[tuple[tuple[str, ...], Passed]]:
    """Each TLS match of VirtualServices that are bound here: its server names, and where they go."""
    for resource in virtual_services:
        for index, rule in enumerate(resource.spec.tls):
            for match in rule.match:
                if exists_for(match, resource, view):
                    why = f"{resource.title}, tls[{index}] ({resource.position(('spec', 'tls', index))})"
                    names = tuple(host.lower() for host in match.sni_hosts)
                    yield names, Passed(why, shares_of(resource, rule.route, view))


def precision(name: str) -> tuple[bool, int]:
    """How precise a server name is: one that is exact before the longest wildcard before none at all."""
    return bool(name) and not is_wildcard(name), len(name)


def passed_as_bytes(virtual_services: Iterable[Resource[VirtualService]], view: Viewpoint) -> Passed | None:
    """The first TCP rule that holds among VirtualServices that are bound here; None: nothing listens."""
    for resource in virtual_services:
        for index, rule in enumerate(resource.spec.tcp):
            if not rule.match or any(exists_for(match, resource, view) for match in rule.match):
                why = f"{resource.title}, tcp[{index}] ({resource.position(('spec', 'tcp', index))})"
                return Passed(why, shares_of(resource, rule.route, view))
    return None


def exists_for(
    match: TLSMatchAttributes | L4MatchAttributes, resource: Resource[VirtualService], view: Viewpoint
) -> bool:
    """Whether a match counts for this proxy, port and gateway: of TLS and TCP all conditions must hold."""
    if match.port and match.port != view.port:
        return False
    gateways = {gateway_name(name, resource.namespace) for name in match.gateways}
    if gateways and not gateways & set(view.via):
        return False
    if match.source_namespace and match.source_namespace != view.proxy.namespace:
        return False
    return match.source_labels.items() <= view.proxy.labels.items()


def shares_of(
    resource: Resource[VirtualService], route: Sequence[RouteDestination], view: Viewpoint
) -> tuple[Share, ...]:
    """The destinations of a TLS or TCP rule that have a weight; one alone needs none."""
    total = sum(entry.weight for entry in route)
    shares = []
    for entry in route:
        if len(route) > 1 and not entry.weight:
            continue
        destination = entry.destination
        host = written_name(destination.host, resource.namespace, view.domain)
        number = destination.port.number if destination.port is not None else 0
        port = number or view.default_port(host) or view.port
        probability = Fraction(entry.weight, total) if len(route) > 1 else Fraction(1)
        shares.append(Share(probability, view.clusters.get(host, port, destination.subset)))
    return tuple(shares)
