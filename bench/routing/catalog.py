"""The services that a proxy knows: host and port to protocol and endpoints, from raw resources and inventory.

Sources: ServiceEntry in Istio's API reference (hosts, addresses, ports, resolution, endpoints,
workloadSelector, exportTo), EndpointSlice and Service in Kubernetes' API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bench.istio.inventory import Inventory, Proxy
from bench.istio.models import ServiceEntry, WorkloadEntry
from bench.istio.resource import Resource, Resources
from bench.routing.decision import Endpoint
from bench.routing.kubernetes import kubernetes_services
from bench.routing.names import is_visible
from bench.routing.protocols import entry_protocol
from bench.routing.service import Backend, KnownPort, KnownService, Resolution


class Catalog:
    """All services, oldest first."""

    def __init__(self, resources: Resources, inventory: Inventory) -> None:
        self._is_old = inventory.semantics == "istio-1.0"
        self.services: tuple[KnownService, ...] = (
            *kubernetes_services(resources, inventory),
            *_entries(resources),
        )

    def seen_by(self, proxy: Proxy) -> KnownServices:
        """What of it a proxy in its namespace sees."""
        visible = [
            service
            for service in self.services
            if is_visible(service.export_to, owner=service.namespace, viewer=proxy.namespace)
        ]
        if self._is_old:
            return KnownServices(_one_for_each_port(visible))
        return KnownServices(_one_for_each_host(visible, proxy.namespace))


class KnownServices:
    """The services that one proxy sees."""

    def __init__(self, services: Iterable[KnownService]) -> None:
        self.all = tuple(services)
        self._by_port = {
            (service.host, port): service for service in reversed(self.all) for port in service.ports
        }
        self._by_host: dict[str, list[KnownService]] = {}
        for service in self.all:
            self._by_host.setdefault(service.host, []).append(service)

    def at(self, host: str, port: int) -> KnownService | None:
        """The service that has *port* under *host*."""
        return self._by_port.get((host, port))

    def named(self, host: str) -> tuple[KnownService, ...]:
        """All services under *host*: more than one only by the rules of Istio 1.0."""
        return tuple(self._by_host.get(host, ()))

    def on(self, port: int) -> tuple[KnownService, ...]:
        """The services that have *port*, one for each host."""
        return tuple(service for service in self.all if self._by_port.get((service.host, port)) is service)


def _one_for_each_port(services: Iterable[KnownService]) -> list[KnownService]:
    """Istio 1.0: every port of every resource counts; of two with the same host and port, the older."""
    seen: set[tuple[str, int]] = set()
    kept = []
    for service in services:
        ports = {number: port for number, port in service.ports.items() if (service.host, number) not in seen}
        seen |= {(service.host, number) for number in ports}
        if ports:
            kept.append(replace(service, ports=ports))
    return kept


def _one_for_each_host(services: Iterable[KnownService], namespace: str) -> list[KnownService]:
    """Since Istio 1.22 a proxy in *namespace* has one service for each host.

    One of its own namespace before all others, then a Service before ServiceEntries, then the oldest: so
    istiod answered for a host of both kinds, a sidecar in the ServiceEntry's namespace and a gateway outside.
    Equal ServiceEntries merge their ports.
    """
    groups: dict[str, list[KnownService]] = {}
    for service in services:
        groups.setdefault(service.host, []).append(service)
    return [_winner(group, namespace) for group in groups.values()]


def _winner(group: list[KnownService], namespace: str) -> KnownService:
    own = [service for service in group if service.namespace == namespace]
    ranked = sorted(own or group, key=lambda service: service.is_entry)
    winner = ranked[0]
    for other in ranked[1:]:
        if winner.is_entry and other.merge_key == winner.merge_key:
            winner = _merged(winner, other)
    oldest = group[0]
    if all(service.is_entry for service in group) and oldest.merge_key != winner.merge_key:
        doubt = f"{oldest.title} is older and {winner.title} is of the proxy's namespace: which one counts?"
        ports = {number: replace(port, doubt=doubt) for number, port in winner.ports.items()}
        winner = replace(winner, ports=ports)
    return winner


def _merged(first: KnownService, second: KnownService) -> KnownService:
    names = {port.name: number for number, port in first.ports.items()}
    ports = dict(first.ports)
    for number, port in second.ports.items():
        if number not in ports and port.name not in names:
            ports[number] = port
            continue
        doubt = f"{first.title} and {second.title} share port {number} or its name: whose endpoints count?"
        for shared in {number, names.get(port.name, number)}:
            ports[shared] = replace(ports.get(shared, port), doubt=doubt)
    return replace(first, ports=ports)


def _entries(resources: Resources) -> Iterable[KnownService]:
    for resource in resources.service_entries:
        spec = resource.spec
        ports: dict[int, KnownPort] = {}
        for port in spec.ports:
            ports.setdefault(
                port.number,
                KnownPort(
                    port.number, port.name, entry_protocol(port.protocol), (), target=port.target_port or 0
                ),
            )
        targets = {port.number: port.target_port or port.number for port in reversed(spec.ports)}
        for host in spec.hosts:
            resolution, workloads = _workloads(resource, resources, host.lower())
            yield KnownService(
                host=host.lower(),
                own_name=host,
                order=resource.order,
                namespace=resource.namespace,
                is_entry=True,
                resolution=resolution,
                ports={
                    number: replace(
                        port,
                        backends=tuple(
                            Backend(
                                Endpoint(
                                    workload.address,
                                    workload.ports.get(port.name, targets[number]),
                                    workload.weight or 1,
                                ),
                                _labels(workload),
                            )
                            for workload in workloads
                            if workload.address
                        ),
                        doubt=_doubt(workloads),
                    )
                    for number, port in ports.items()
                },
                addresses=tuple(address.removesuffix("/32") for address in spec.addresses),
                export_to=tuple(spec.export_to),
                title=resource.title,
                merge_key=(
                    resource.namespace,
                    resolution,
                    tuple(sorted(resource.labels.items())),
                    spec.workload_selector,
                    spec.export_to,
                ),
            )


def _doubt(workloads: Iterable[WorkloadEntry]) -> str:
    for workload in workloads:
        if workload.address.startswith("unix:"):
            return f"endpoint {workload.address} is a Unix socket"
    return ""


def _workloads(
    resource: Resource[ServiceEntry], resources: Resources, host: str
) -> tuple[Resolution, tuple[WorkloadEntry, ...]]:
    spec = resource.spec
    workloads: tuple[WorkloadEntry, ...] = spec.endpoints
    if spec.workload_selector is not None:
        wanted = spec.workload_selector.labels
        workloads = tuple(_selected(resources, resource.namespace, wanted))
    if spec.resolution == "NONE":
        return "NONE", ()
    if spec.resolution == "DYNAMIC_DNS":
        return "DYNAMIC_DNS", ()
    if spec.resolution == "STATIC":
        return "STATIC", workloads
    # Without endpoints, DNS resolves the host itself.
    if not workloads and spec.workload_selector is None:
        workloads = (WorkloadEntry(address=host),)
    return "DNS", workloads


def _selected(resources: Resources, namespace: str, wanted: Mapping[str, str]) -> Iterable[WorkloadEntry]:
    for entry in resources.workload_entries:
        labels = {**entry.spec.labels, **entry.labels}
        if entry.namespace == namespace and wanted.items() <= labels.items():
            yield entry.spec.model_copy(update={"labels": labels})
    for pod in resources.pods:
        ip = pod.spec.status.pod_ip
        if pod.namespace == namespace and ip and wanted.items() <= pod.labels.items():
            yield WorkloadEntry(address=ip, labels=dict(pod.labels))


def _labels(workload: WorkloadEntry) -> Mapping[str, str]:
    """The written labels and those that Istio derives from the locality."""
    labels: dict[str, Any] = dict(workload.labels)
    locality = workload.locality or labels.get("istio-locality", "").replace(".", "/")
    names = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")
    for name, part in zip(names, locality.split("/"), strict=False):
        if part:
            labels.setdefault(name, part)
    if workload.network:
        labels.setdefault("topology.istio.io/network", workload.network)
    return labels
