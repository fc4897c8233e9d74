"""VirtualServices with full names, delegates merged in, and what a proxy sees of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bench.errors import Position
from bench.istio.hosts import MESH, expand_as_written, expand_gateway, expand_host
from bench.istio.models import (
    Destination,
    HTTPRoute,
    TCPRoute,
    TLSRoute,
    VirtualService,
)
from bench.istio.problem import Problem
from bench.istio.registry.delegates import merge_routes
from bench.istio.registry.services import is_exported
from bench.istio.resource import Resource

_Layer4 = TypeVar("_Layer4", TLSRoute, TCPRoute)


@dataclass(frozen=True, slots=True)
class PlacedRoute:
    """An HTTP rule with full names, and where it is."""

    route: HTTPRoute
    locate: Callable[[], Position]

    @property
    def where(self) -> Position:
        """Where the rule is."""
        return self.locate()


@dataclass(frozen=True, slots=True)
class BoundVirtualService:
    """A VirtualService with full names throughout."""

    name: str
    namespace: str
    hosts: tuple[str, ...]
    gateways: frozenset[str]
    """``namespace/name`` of gateways, and ``mesh`` for sidecars."""
    http: tuple[PlacedRoute, ...]
    tls: tuple[TLSRoute, ...]
    tcp: tuple[TCPRoute, ...]
    export_to: frozenset[str]
    locate: Callable[[], Position]
    order: int
    locate_rule: Callable[[str, int], Position]
    """Finds the place of a rule of layer 4: ``tls`` or ``tcp``, and its number."""
    lost: tuple[Problem, ...] = ()
    """Delegated routes that nothing comes of."""

    @property
    def where(self) -> Position:
        """Where the VirtualService is."""
        return self.locate()

    def is_visible_in(self, namespace: str) -> bool:
        """Return whether the VirtualService is exported to *namespace*."""
        return is_exported(self.export_to, self.namespace, namespace)

    @property
    def rank(self) -> tuple[int, int]:
        """Sort key: what is private to a namespace first, then what is exported to it by name, then the rest.

        Within each, the older one first.
        """
        if self.export_to == {"."}:
            return 0, self.order
        return (2 if not self.export_to or "*" in self.export_to else 1), self.order


class _Names:
    """Expands the names in resources of one namespace."""

    def __init__(self, namespace: str, domain: str) -> None:
        self._namespace = namespace
        self._domain = domain

    def host(self, host: str) -> str:
        return expand_host(host, self._namespace, self._domain)

    def gateways(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(expand_gateway(name, self._namespace) for name in names)

    def destination(self, destination: Destination) -> Destination:
        host = expand_as_written(destination.host, self._namespace, self._domain)
        return destination.model_copy(update={"host": host})

    def http(self, route: HTTPRoute) -> HTTPRoute:
        return route.model_copy(
            update={
                "match": tuple(
                    match.model_copy(update={"gateways": self.gateways(match.gateways)})
                    for match in route.match
                ),
                "route": tuple(
                    each.model_copy(update={"destination": self.destination(each.destination)})
                    for each in route.route
                ),
                "mirror": None if route.mirror is None else self.destination(route.mirror),
                "mirrors": tuple(
                    each.model_copy(update={"destination": self.destination(each.destination)})
                    for each in route.mirrors
                ),
            }
        )

    def layer4(self, route: _Layer4) -> _Layer4:
        return route.model_copy(
            update={
                "match": tuple(
                    match.model_copy(update={"gateways": self.gateways(match.gateways)})
                    for match in route.match
                ),
                "route": tuple(
                    each.model_copy(update={"destination": self.destination(each.destination)})
                    for each in route.route
                ),
            }
        )


def bind_virtual_services(
    resources: Iterable[Resource[VirtualService]], domain: str
) -> tuple[BoundVirtualService, ...]:
    """Expand all names and merge delegates into their roots, oldest first.

    A VirtualService without hosts is a delegate and serves nothing by itself. A delegate that does not exist,
    or is not exported to its root, takes that one route away.
    """
    ordered = sorted(resources, key=lambda resource: resource.order)
    delegates = {
        (resource.namespace, resource.name): resource for resource in ordered if not resource.spec.hosts
    }
    return tuple(_bind(resource, delegates, domain) for resource in ordered if resource.spec.hosts)


def _bind(
    resource: Resource[VirtualService],
    delegates: dict[tuple[str, str], Resource[VirtualService]],
    domain: str,
) -> BoundVirtualService:
    names = _Names(resource.namespace, domain)
    routes: list[PlacedRoute] = []
    lost: list[Problem] = []
    for index, written in enumerate(resource.spec.http):
        locate = partial(resource.position, ("spec", "http", index))
        route = names.http(written)
        if written.delegate is None:
            routes.append(PlacedRoute(route, locate))
            continue
        owner = written.delegate.namespace or resource.namespace
        delegate = delegates.get((owner, written.delegate.name))
        if delegate is None or not is_exported(
            frozenset(delegate.spec.export_to), delegate.namespace, resource.namespace
        ):
            lost.append(
                Problem(
                    locate(),
                    f"this route delegates to VirtualService {owner}/{written.delegate.name}, which does not "
                    "exist, has hosts, or is not exported to here; so the route is left out.",
                    "Write a VirtualService without hosts of that name.",
                )
            )
            continue
        theirs = _Names(delegate.namespace, domain)
        for delegate_index, each in enumerate(delegate.spec.http):
            locate = partial(delegate.position, ("spec", "http", delegate_index))
            merged_routes = merge_routes(route, [theirs.http(each)])
            routes += [PlacedRoute(merged, locate) for merged in merged_routes]
            if not merged_routes:
                lost.append(
                    Problem(
                        locate(),
                        f"a match of this delegated route contradicts the one of VirtualService "
                        f"{resource.namespace}/{resource.name}, so the route is left out.",
                        "Match within what the root matches: the same path prefix, other headers.",
                    )
                )
    return BoundVirtualService(
        name=resource.name,
        namespace=resource.namespace,
        hosts=tuple(names.host(host) for host in resource.spec.hosts),
        gateways=frozenset(names.gateways(resource.spec.gateways) or (MESH,)),
        http=tuple(routes),
        tls=tuple(names.layer4(route) for route in resource.spec.tls),
        tcp=tuple(names.layer4(route) for route in resource.spec.tcp),
        export_to=frozenset(resource.spec.export_to),
        locate=partial(resource.position, ("spec",)),
        order=resource.order,
        locate_rule=lambda field, index: resource.position(("spec", field, index)),
        lost=tuple(lost),
    )
