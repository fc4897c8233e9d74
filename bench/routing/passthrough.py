"""TLS that a gateway passes on: the SNI alone decides.

Source: TLSRoute and TLSMatchAttributes in Istio's API reference. All conditions of one match must hold; of
several names for one SNI the most specific counts, of equal ones the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from bench.istio.models.virtual_service import TLSMatchAttributes, TLSRoute, VirtualService
from bench.istio.resource import Resource
from bench.routing.names import covers, gateway_name, written_name
from bench.routing.rules import Share, Viewpoint


@dataclass(frozen=True, slots=True)
class Passed:
    """Where connections of one SNI go."""

    why: str
    shares: tuple[Share, ...]


def passed_on(
    virtual_services: Iterable[Resource[VirtualService]], view: Viewpoint, sni: str
) -> Passed | None:
    """The rule for *sni* among VirtualServices that are bound here; None: the connection is closed."""
    best: tuple[str, Passed] | None = None
    for resource in virtual_services:
        for index, rule in enumerate(resource.spec.tls):
            for host in _hosts(resource, rule, view, sni):
                if best is None or len(host) > len(best[0]):
                    where = resource.position(("spec", "tls", index))
                    why = f"{resource.title}, tls[{index}] ({where})"
                    best = host, Passed(why, _shares(resource, rule, view))
    return best[1] if best is not None else None


def _hosts(resource: Resource[VirtualService], rule: TLSRoute, view: Viewpoint, sni: str) -> Iterator[str]:
    for match in rule.match:
        if _exists_for(match, resource, view):
            yield from (host.lower() for host in match.sni_hosts if covers(host.lower(), sni.lower()))


def _exists_for(match: TLSMatchAttributes, resource: Resource[VirtualService], view: Viewpoint) -> bool:
    if match.port and match.port != view.port:
        return False
    gateways = {gateway_name(name, resource.namespace) for name in match.gateways}
    if gateways and not gateways & set(view.via):
        return False
    if match.source_namespace and match.source_namespace != view.proxy.namespace:
        return False
    return match.source_labels.items() <= view.proxy.labels.items()


def _shares(resource: Resource[VirtualService], rule: TLSRoute, view: Viewpoint) -> tuple[Share, ...]:
    total = sum(entry.weight for entry in rule.route)
    shares = []
    for entry in rule.route:
        if len(rule.route) > 1 and not entry.weight:
            continue
        destination = entry.destination
        host = written_name(destination.host, resource.namespace, view.domain)
        number = destination.port.number if destination.port is not None else 0
        port = number or view.default_port(host) or view.port
        probability = Fraction(entry.weight, total) if len(rule.route) > 1 else Fraction(1)
        shares.append(Share(probability, view.clusters.get(host, port, destination.subset)))
    return tuple(shares)
