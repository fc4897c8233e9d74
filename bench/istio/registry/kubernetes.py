"""Kubernetes Services and EndpointSlices as services of the mesh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from bench.errors import Position
from bench.istio.inventory import ServiceFact
from bench.istio.models import EndpointSlice, WorkloadEntry, kubernetes
from bench.istio.registry.distribution import preferred_labels
from bench.istio.registry.protocols import kubernetes_protocol
from bench.istio.registry.services import PUBLIC, Endpoint, Origin, Protocol, Resolution, Service, ServicePort
from bench.istio.registry.workloads import Workload, identity_of, locality_of, selects
from bench.istio.resource import Resource

_SERVICE_LABEL = "kubernetes.io/service-name"
_EXPORT_ANNOTATION = "networking.istio.io/exportTo"
_ACCOUNTS_ANNOTATION = "alpha.istio.io/kubernetes-serviceaccounts"
_IDENTITIES_ANNOTATION = "alpha.istio.io/canonical-serviceaccounts"
_NO_ADDRESSES = frozenset({"", "None"})

Slices = Mapping[tuple[str, str], Sequence[Resource[EndpointSlice]]]


def slices_by_service(resources: Iterable[Resource[EndpointSlice]]) -> Slices:
    """Group EndpointSlices by namespace and name of the Service that they belong to."""
    grouped: dict[tuple[str, str], list[Resource[EndpointSlice]]] = defaultdict(list)
    for resource in resources:
        if resource.spec.address_type == "FQDN":
            # Neither istiod nor Envoy's EDS takes names for addresses.
            continue
        grouped[resource.namespace, resource.labels.get(_SERVICE_LABEL, "")].append(resource)
    return grouped


def kubernetes_service(
    resource: Resource[kubernetes.Service],
    *,
    fact: ServiceFact | None,
    slices: Slices,
    workloads: Sequence[Workload],
    entries: Sequence[Resource[WorkloadEntry]],
    domain: str,
    aliases: bool,
) -> Service:
    """Turn a Service into a service of the mesh; *fact* adds its cluster IP.

    Without EndpointSlices its endpoints are the workloads that it selects, which is what Kubernetes would
    write into them. An ``ExternalName`` is another name for a host where *aliases* are known, else a DNS
    name.
    """
    spec = resource.spec
    ports = tuple(
        replace(_port(port), locate=partial(resource.position, ("spec", "ports", index)))
        for index, port in enumerate(spec.ports)
    )
    address = fact.cluster_ip if fact is not None and fact.cluster_ip is not None else spec.cluster_ip
    is_headless = address == "None"
    own = slices.get((resource.namespace, resource.name), ())
    endpoints = _slice_endpoints(own, workloads) if own else _selected(spec.ports, ports, resource, workloads)
    endpoints += _entry_endpoints(ports, resource.namespace, spec.selector, entries)
    external = spec.external_name if spec.type == "ExternalName" else None
    resolution = Resolution.PASSTHROUGH if is_headless else Resolution.ENDPOINTS
    if external is not None and not aliases:
        resolution = Resolution.DNS
        endpoints = [Endpoint(external, port.number, port.name) for port in ports]
    return Service(
        host=f"{resource.name}.{resource.namespace}.svc.{domain}",
        namespace=resource.namespace,
        name=resource.name,
        origin=Origin.KUBERNETES,
        locate=resource.position,
        ports=ports,
        resolution=resolution,
        addresses=() if address in _NO_ADDRESSES else (address,),
        export_to=_export_to(resource.annotations),
        labels=resource.labels,
        selector=spec.selector,
        endpoints=tuple(endpoints),
        subject_alt_names=_annotated_identities(resource, domain),
        is_headless=is_headless,
        preferred_labels=preferred_labels(resource.annotations, spec.traffic_distribution),
        external_name=external if aliases else None,
    )


def service_from_fact(
    fact: ServiceFact, workloads: Sequence[Workload], domain: str, locate: Callable[[], Position]
) -> Service:
    """Make a Service of the inventory: its endpoints are the workloads that it selects."""
    ports = tuple(
        ServicePort(
            name=port.name,
            number=port.port,
            protocol=kubernetes_protocol(port=port.port, name=port.name, transport="TCP", app_protocol=""),
            target_port=port.target_port or port.port,
        )
        for port in fact.ports
    )
    members = [w for w in workloads if _is_member(w, fact.namespace, fact.selector)]
    return Service(
        host=f"{fact.name}.{fact.namespace}.svc.{domain}",
        namespace=fact.namespace,
        name=fact.name,
        origin=Origin.KUBERNETES,
        locate=locate,
        ports=ports,
        resolution=Resolution.PASSTHROUGH if fact.cluster_ip == "None" else Resolution.ENDPOINTS,
        addresses=() if fact.cluster_ip in {None, *_NO_ADDRESSES} else (str(fact.cluster_ip),),
        selector=fact.selector,
        endpoints=tuple(
            Endpoint(
                w.ip,
                port.target_port or port.number,
                port.name,
                w.labels,
                w.locality,
                identity=w.identity,
                locate=w.locate,
            )
            for port in ports
            for w in members
        ),
        is_headless=fact.cluster_ip == "None",
    )


def _annotated_identities(resource: Resource[kubernetes.Service], trust_domain: str) -> tuple[str, ...]:
    """Give the identities that annotations add: accounts of the Service's namespace, and whole ones."""
    accounts = resource.annotations.get(_ACCOUNTS_ANNOTATION, "")
    identities = resource.annotations.get(_IDENTITIES_ANNOTATION, "")
    own = (identity_of(resource.namespace, account) for account in accounts.split(","))
    return (
        *(f"spiffe://{trust_domain}/{identity}" for identity in own if identity),
        *(identity for identity in identities.split(",") if identity),
    )


def _export_to(annotations: Mapping[str, str]) -> frozenset[str]:
    written = annotations.get(_EXPORT_ANNOTATION, "")
    return frozenset(part.strip() for part in written.split(",") if part.strip()) or PUBLIC


def _port(port: kubernetes.ServicePort) -> ServicePort:
    protocol = kubernetes_protocol(
        port=port.port, name=port.name, transport=port.protocol, app_protocol=port.app_protocol
    )
    target = port.target_port if isinstance(port.target_port, int) else None
    if port.target_port is None:
        target = port.port
    return ServicePort(port.name, port.port, protocol, target)


def _slice_endpoints(
    slices: Sequence[Resource[EndpointSlice]], workloads: Sequence[Workload]
) -> list[Endpoint]:
    by_ip = {workload.ip: workload for workload in workloads}
    endpoints: list[Endpoint] = []
    for resource in slices:
        for index, endpoint in enumerate(resource.spec.endpoints):
            is_ready = endpoint.conditions.ready is not False
            for address in endpoint.addresses:
                workload = by_ip.get(address)
                endpoints += [
                    Endpoint(
                        address,
                        port.port,
                        port.name,
                        workload.labels if workload is not None else {},
                        workload.locality if workload is not None else "",
                        identity=workload.identity if workload is not None else "",
                        is_ready=is_ready,
                        locate=partial(resource.position, ("endpoints", index)),
                    )
                    for port in resource.spec.ports
                    if port.port is not None and port.protocol != "UDP"
                ]
    return endpoints


def _is_member(workload: Workload, namespace: str, selector: Mapping[str, str]) -> bool:
    return bool(selector) and workload.namespace == namespace and selects(selector, workload.labels)


def _selected(
    written: Sequence[kubernetes.ServicePort],
    ports: Sequence[ServicePort],
    resource: Resource[kubernetes.Service],
    workloads: Sequence[Workload],
) -> list[Endpoint]:
    members = [w for w in workloads if _is_member(w, resource.namespace, resource.spec.selector)]
    endpoints: list[Endpoint] = []
    for port, source in zip(ports, written, strict=True):
        for workload in members:
            target = port.target_port
            if isinstance(source.target_port, str):
                target = workload.named_ports.get(source.target_port)
            if target is not None and port.protocol is not Protocol.UDP:
                endpoints.append(
                    Endpoint(
                        workload.ip,
                        target,
                        port.name,
                        workload.labels,
                        workload.locality,
                        identity=workload.identity,
                        locate=workload.locate,
                    )
                )
    return endpoints


def _entry_endpoints(
    ports: Sequence[ServicePort],
    namespace: str,
    selector: Mapping[str, str],
    entries: Sequence[Resource[WorkloadEntry]],
) -> list[Endpoint]:
    if not selector:
        return []
    return [
        endpoint
        for entry in entries
        if entry.namespace == namespace and selects(selector, entry_labels(entry))
        for endpoint in entry_endpoints(entry.spec, ports, entry_labels(entry), namespace, entry.position)
    ]


def entry_labels(entry: Resource[WorkloadEntry]) -> dict[str, str]:
    """Give the labels of a WorkloadEntry: its metadata's over its own."""
    return {**entry.spec.labels, **entry.labels}


def entry_endpoints(
    entry: WorkloadEntry,
    ports: Sequence[ServicePort],
    labels: Mapping[str, str],
    namespace: str,
    locate: Callable[[], Position] | None = None,
) -> list[Endpoint]:
    """Give the endpoints of one address: for each port the entry's own number, else the service's target."""
    return [
        Endpoint(
            address=entry.address,
            port=0
            if entry.address.startswith("unix://")
            else entry.ports.get(port.name, port.target_port or port.number),
            port_name=port.name,
            labels=labels,
            locality=locality_of(entry.locality, labels),
            weight=entry.weight or 1,
            network=entry.network,
            identity=identity_of(namespace, entry.service_account),
            locate=locate,
        )
        for port in ports
    ]
