"""ServiceEntries as services of the mesh."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import partial

from bench.istio.hosts import is_ip, is_wildcard
from bench.istio.models import ServiceEntry, WorkloadEntry
from bench.istio.registry.distribution import preferred_labels
from bench.istio.registry.kubernetes import entry_endpoints, entry_labels
from bench.istio.registry.protocols import parse_protocol
from bench.istio.registry.services import PUBLIC, Endpoint, Origin, Resolution, Service, ServicePort
from bench.istio.registry.workloads import Workload, selects
from bench.istio.resource import Resource

_BY_DNS = frozenset({Resolution.DNS, Resolution.DNS_ROUND_ROBIN})


def services_of_entry(
    resource: Resource[ServiceEntry],
    *,
    workloads: Sequence[Workload],
    entries: Sequence[Resource[WorkloadEntry]],
) -> list[Service]:
    """Turn a ServiceEntry into one service for each of its hosts.

    The protocol of a port is what its ``protocol`` says; its name means nothing. A host that is resolved by
    DNS and has no endpoints is its own endpoint.
    """
    spec = resource.spec
    ports = tuple(
        ServicePort(
            port.name,
            port.number,
            parse_protocol(port.protocol),
            port.target_port,
            partial(resource.position, ("spec", "ports", index)),
        )
        for index, port in enumerate(spec.ports)
    )
    resolution = Resolution(spec.resolution)
    selector = spec.workload_selector.labels if spec.workload_selector is not None else None
    if selector is None:
        found = [
            endpoint
            for index, written in enumerate(spec.endpoints)
            for endpoint in entry_endpoints(
                written,
                ports,
                written.labels,
                resource.namespace,
                partial(resource.position, ("spec", "endpoints", index)),
            )
        ]
    else:
        found = _selected(resource.namespace, selector, ports, workloads, entries)
    if resolution is Resolution.ENDPOINTS:
        found = [endpoint for endpoint in found if is_ip(endpoint.address) or endpoint.port == 0]
    services = []
    for index, host in enumerate(spec.hosts):
        endpoints = found
        if resolution in _BY_DNS and not spec.endpoints and selector is None and not is_wildcard(host):
            locate = partial(resource.position, ("spec", "hosts", index))
            endpoints = [
                Endpoint(host, port.target_port or port.number, port.name, locate=locate) for port in ports
            ]
        services.append(
            Service(
                host=host.lower(),
                written_host="" if host == host.lower() else host,
                namespace=resource.namespace,
                name=resource.name,
                origin=Origin.SERVICE_ENTRY,
                locate=partial(resource.position, ("spec", "resolution")),
                ports=ports,
                resolution=resolution,
                addresses=tuple(_address(each) for each in spec.addresses),
                export_to=frozenset(spec.export_to) or PUBLIC,
                labels=resource.labels,
                selector=selector or {},
                endpoints=tuple(endpoints),
                subject_alt_names=spec.subject_alt_names,
                preferred_labels=preferred_labels(resource.annotations),
                is_external=spec.location == "MESH_EXTERNAL",
            )
        )
    return services


def _address(written: str) -> str:
    """Read an address: a block of one address is that address."""
    address, slash, _ = written.partition("/")
    if slash and ipaddress.ip_network(written, strict=False).num_addresses == 1:
        return address
    return written


def _selected(
    namespace: str,
    selector: dict[str, str],
    ports: Sequence[ServicePort],
    workloads: Sequence[Workload],
    entries: Sequence[Resource[WorkloadEntry]],
) -> list[Endpoint]:
    """Take the WorkloadEntries and Pods of the same namespace that have the labels."""
    found: list[Endpoint] = []
    for entry in entries:
        labels = entry_labels(entry)
        if entry.namespace == namespace and selects(selector, labels):
            found += entry_endpoints(entry.spec, ports, labels, namespace, entry.position)
    for workload in workloads:
        if workload.namespace == namespace and selects(selector, workload.labels):
            found += [
                Endpoint(
                    workload.ip,
                    port.target_port or port.number,
                    port.name,
                    workload.labels,
                    workload.locality,
                    identity=workload.identity,
                    locate=workload.locate,
                )
                for port in ports
            ]
    return found
