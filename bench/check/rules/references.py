"""Destinations of a VirtualService, with the place where each is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.istio.models import (
    Destination,
    HTTPRoute,
    HTTPRouteDestination,
    RouteDestination,
    TCPRoute,
    TLSRoute,
    VirtualService,
)
from bench.istio.problem import Path


@dataclass(frozen=True, slots=True)
class Reference:
    """One destination that a rule names."""

    destination: Destination
    path: Path
    """To the destination object, from the top of the resource."""
    is_mirror: bool = False

    @property
    def host_path(self) -> Path:
        """To the field that names the host."""
        return (*self.path, "host")


def route_references(spec: VirtualService) -> Iterator[Reference]:
    """Give the destinations of all routes."""
    kinds: tuple[tuple[str, Sequence[TCPRoute | TLSRoute | HTTPRoute]], ...] = (
        ("tcp", spec.tcp),
        ("tls", spec.tls),
        ("http", spec.http),
    )
    for kind, rules in kinds:
        for number, rule in enumerate(rules):
            targets: Sequence[HTTPRouteDestination | RouteDestination] = rule.route
            for index, route in enumerate(targets):
                yield Reference(route.destination, ("spec", kind, number, "route", index, "destination"))


def mirror_references(spec: VirtualService) -> Iterator[Reference]:
    """Give the destinations that get copies."""
    for number, rule in enumerate(spec.http):
        if rule.mirror is not None:
            yield Reference(rule.mirror, ("spec", "http", number, "mirror"), is_mirror=True)
        for index, mirror in enumerate(rule.mirrors):
            path: Path = ("spec", "http", number, "mirrors", index, "destination")
            yield Reference(mirror.destination, path, is_mirror=True)


def references(spec: VirtualService) -> Iterator[Reference]:
    """Give every destination, mirrors last."""
    yield from route_references(spec)
    yield from mirror_references(spec)
