"""What one proxy sees of the registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bench.istio.hosts import MESH, covers, is_wildcard, overlap
from bench.istio.inventory import Proxy
from bench.istio.registry.build import Registry
from bench.istio.registry.destination_rules import MergedRule
from bench.istio.registry.services import Endpoint, Origin, Service, ServicePort
from bench.istio.registry.virtual_services import BoundVirtualService

_Exact = dict[str, list[tuple[int, BoundVirtualService]]]
_Wild = list[tuple[int, str, BoundVirtualService]]
"""VirtualServices by their hosts, each with its rank in the order of precedence."""


class ProxyView:
    """Services, rules and routes as seen by one proxy, under the inventory's semantics."""

    def __init__(self, registry: Registry, name: str) -> None:
        self.registry = registry
        self.name = name
        self.proxy: Proxy = registry.proxy(name)
        self.namespace = self.proxy.namespace
        self.is_sidecar = self.proxy.role == "sidecar"
        self.is_current = registry.inventory.semantics == "current"
        visible = _visible(registry.services, self.namespace)
        if not self.is_current:
            self.services = _by_host_and_port(visible)
        else:
            chosen = _one_namespace_per_host(visible, self.namespace) if self.is_sidecar else visible
            self.services = _one_per_host(chosen)
        self._by_host: dict[str, Service] = {}
        for service in self.services:
            known = self._by_host.get(service.host)
            if known is not None:
                service = replace(known, ports=(*known.ports, *service.ports))  # noqa: PLW2901
            self._by_host[service.host] = service
        self._layer4: (
            tuple[
                dict[str, list[tuple[int, BoundVirtualService]]], list[tuple[int, str, BoundVirtualService]]
            ]
            | None
        ) = None
        self._bound: dict[str, list[BoundVirtualService]] = {}
        self._aliases: dict[str, list[Service]] = {}
        for service in self.services:
            if service.external_name is not None:
                self._aliases.setdefault(service.external_name, []).append(service)
        self._rules: dict[tuple[str, str], MergedRule | None] = {}

    @property
    def dns_domain(self) -> str:
        """The domain in which the proxy resolves short names."""
        return f"{self.namespace}.svc.{self.registry.inventory.domain}"

    def service(self, host: str) -> Service | None:
        """Give the service *host*, with the ports of all resources that count."""
        return self._by_host.get(host)

    def rule(self, service: Service) -> MergedRule | None:
        """Give the DestinationRule that holds for *service*."""
        key = service.host, service.namespace
        if key not in self._rules:
            self._rules[key] = self.registry.destination_rules.find(
                service, self.namespace, self.proxy.labels
            )
        return self._rules[key]

    def destination(self, host: str) -> Service | None:
        """Give the service that a rule's destination *host* names; its letters must be the service's own."""
        service = self.service(host.lower())
        named_so = service is not None and (not self.is_current or service.own_host == host)
        return service if named_so else None

    def rule_for_host(self, host: str) -> MergedRule | None:
        """Give the DestinationRule for the destination *host*; None if there is no such service."""
        service = self.destination(host)
        return None if service is None else self.rule(service)

    def endpoints(self, service: Service, port: ServicePort) -> list[Endpoint]:
        """Give the ready endpoints behind *port*: of all resources that speak for the same host.

        Current Istio counts those of the same namespace and joins them by the port's name; Istio 1.0 joins by
        the port's number.
        """
        found: list[Endpoint] = []
        for source, endpoint in self.registry.endpoints_by_host.get(service.host, ()):
            if not endpoint.is_ready:
                continue
            if self.is_current:
                if source.namespace != service.namespace or endpoint.port_name != port.name:
                    continue
            else:
                same = source.port(port.number)
                if same is None or same.name != endpoint.port_name:
                    continue
            found.append(endpoint)
        return found

    def virtual_services(self, gateway: str) -> list[BoundVirtualService]:
        """Give what is visible and bound to *gateway* (``namespace/name`` or ``mesh``), by precedence."""
        if gateway not in self._bound:
            bound = [
                each
                for each in self.registry.virtual_services
                if gateway in each.gateways and each.is_visible_in(self.namespace)
            ]
            self._bound[gateway] = sorted(bound, key=lambda each: each.rank)
        return self._bound[gateway]

    def mesh_rules_for(self, host: str) -> list[BoundVirtualService]:
        """Give the VirtualServices of the mesh with TLS or TCP rules for *host*, by precedence.

        It is enough that a host of theirs and *host* overlap: either may be the wildcard.
        """
        if self._layer4 is None:
            self._layer4 = ({}, [])
            for rank, each in enumerate(self.virtual_services(MESH)):
                if not (each.tls or each.tcp):
                    continue
                for written in each.hosts:
                    if is_wildcard(written):
                        self._layer4[1].append((rank, written, each))
                    else:
                        self._layer4[0].setdefault(written, []).append((rank, each))
        exact, wild = self._layer4
        found = dict(exact.get(host, []))
        found.update({rank: each for rank, written, each in wild if overlap(written, host)})
        if is_wildcard(host):
            found.update({rank: each for name in exact if covers(host, name) for rank, each in exact[name]})
        return [found[rank] for rank in sorted(found)]

    def aliases(self, host: str) -> list[Service]:
        """Give the services that are another name for *host*."""
        return self._aliases.get(host, [])


def _visible(services: Iterable[Service], namespace: str) -> list[Service]:
    """Keep what is exported to *namespace*: private services first, then named exports, then public ones."""

    def rank(service: Service) -> int:
        if service.export_to == {"."}:
            return 0
        return 2 if "*" in service.export_to else 1

    return sorted((service for service in services if service.is_visible_in(namespace)), key=rank)


def _by_host_and_port(services: Iterable[Service]) -> tuple[Service, ...]:
    """Keep every port of every host once: the first resource that declares it wins (Istio 1.0)."""
    seen: set[tuple[str, int]] = set()
    kept: list[Service] = []
    for service in services:
        ports = tuple(port for port in service.ports if (service.host, port.number) not in seen)
        seen.update((service.host, port.number) for port in ports)
        if ports:
            kept.append(service if len(ports) == len(service.ports) else replace(service, ports=ports))
    return tuple(kept)


def _one_namespace_per_host(services: list[Service], namespace: str) -> list[Service]:
    """Let one namespace speak for each host: the proxy's own, else Kubernetes', else the first.

    Sidecars only (istio ``selectServices``); a gateway does not prefer its own namespace.
    """
    chosen: dict[str, Service] = {}
    for service in services:
        known = chosen.get(service.host)
        if (
            known is None
            or service.namespace == namespace
            or (
                known.namespace != namespace
                and known.origin is not Origin.KUBERNETES
                and service.origin is Origin.KUBERNETES
            )
        ):
            chosen[service.host] = service
    return [service for service in services if chosen[service.host].namespace == service.namespace]


def _one_per_host(services: Iterable[Service]) -> tuple[Service, ...]:
    """Keep one service for each host (istio ``appendSidecarServices``).

    A Kubernetes Service beats a ServiceEntry. Two ServiceEntries that agree in everything but their ports
    count as one; otherwise the older one wins entirely.
    """
    kept: dict[str, Service] = {}
    for service in services:
        known = kept.get(service.host)
        if known is None:
            kept[service.host] = service
        elif known.origin is not service.origin:
            if service.origin is Origin.KUBERNETES:
                kept[service.host] = service
        elif _can_merge(known, service):
            added = tuple(port for port in service.ports if known.port(port.number) is None)
            kept[service.host] = replace(known, ports=(*known.ports, *added))
    return tuple(kept.values())


def _can_merge(one: Service, other: Service) -> bool:
    return (
        one.namespace == other.namespace
        and one.resolution is other.resolution
        and one.labels == other.labels
        and one.selector == other.selector
        and one.export_to == other.export_to
    )
