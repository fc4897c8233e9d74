"""What the rules of a VirtualService have in common: destinations, weights, gateway references."""

from __future__ import annotations

from collections.abc import Sequence

from bench.istio.models import Destination, HTTPRouteDestination, RouteDestination
from bench.istio.validation.findings import Findings
from bench.istio.validation.names import check_dns_label, check_fqdn, check_wildcard_domain
from bench.istio.validation.ports import check_port


def check_destination(destination: Destination, findings: Findings) -> None:
    """Refuse a bad host, subset name or port."""
    if destination.host == "*":
        findings.refuse("a destination is not the bare star", "host")
    else:
        findings.refuse(check_wildcard_domain(destination.host), "host")
    if destination.subset:
        findings.refuse(check_dns_label(destination.subset, "subset name"), "subset")
    if destination.port is not None:
        findings.refuse(check_port(destination.port.number), "port", "number")


def check_weights(routes: Sequence[HTTPRouteDestination | RouteDestination], findings: Findings) -> None:
    """Check all destinations: weights are not negative, and with several not all zero."""
    for index, route in enumerate(routes):
        inner = findings.within("route", index)
        check_destination(route.destination, inner.within("destination"))
        if route.weight < 0:
            inner.refuse(f"the weight {route.weight} must not be negative", "weight")
    if len(routes) > 1 and sum(route.weight for route in routes) == 0:
        findings.refuse("the weights of the destinations add up to 0", "route")


def check_gateways(gateways: Sequence[str], findings: Findings) -> None:
    """Check references to gateways up to the first one without a slash: Istio looks no further."""
    for index, reference in enumerate(gateways):
        inner = findings.within("gateways", index)
        namespace, slash, name = reference.partition("/")
        if not slash:
            if "." in reference:
                first, second = reference.split(".")[:2]
                inner.warn(f'"{reference}" is an old form; write {second}/{first}')
            inner.refuse(check_fqdn(reference))
            return
        inner.refuse(check_dns_label(namespace, "namespace"))
        inner.refuse(check_dns_label(name, "gateway name"))
