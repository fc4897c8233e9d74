"""Kubernetes Services, those of the YAML and those that the inventory adds, with their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.istio.inventory import Inventory, Proxy, ServiceFact
from bench.istio.models import EndpointSlice, Service, ServicePort
from bench.istio.resource import Resource, Resources
from bench.routing.decision import Endpoint
from bench.routing.protocols import service_protocol
from bench.routing.service import Backend, KnownPort, KnownService

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
EXPORT_TO = "networking.istio.io/exportTo"


def kubernetes_services(resources: Resources, inventory: Inventory) -> Iterable[KnownService]:
    """The Services of the YAML, oldest first, then the inventory's own that the YAML does not have."""
    written = {(resource.namespace, resource.name) for resource in resources.services}
    addresses = {(fact.namespace, fact.name): fact.cluster_ip for fact in inventory.services}
    for resource in resources.services:
        yield _of_yaml(resource, resources, inventory, addresses.get((resource.namespace, resource.name)))
    for fact in inventory.services:
        if fact.ports and (fact.namespace, fact.name) not in written:
            yield _of_inventory(fact, inventory)


_WORDS = frozenset({"grpc", "http2", "mongo", "mysql", "redis", "https", "tls"})
_KEEPS_PORTS = "experimental.istio.io/disable-gateway-port-translation"


def target_port(resources: Resources, inventory: Inventory, proxy: Proxy, number: int) -> int | str:
    """The port on which a gateway that Services select listens for *number*: the first one's target port.

    Of several ports of a Service with one target and protocol only the first leads there. *number* itself
    when no Service that selects the proxy has it. A text is a named port of its container.
    """
    written = {(resource.namespace, resource.name) for resource in resources.services}
    groups: list[list[tuple[int, int | str, str]]] = []
    for resource in resources.services:
        selected = is_selected(resource.spec.selector, proxy.labels) and resource.namespace == proxy.namespace
        if selected and _KEEPS_PORTS not in resource.labels:
            groups.append(
                [(port.port, port.target_port or port.port, _speaks(port)) for port in resource.spec.ports]
            )
    for fact in inventory.services:
        is_known = (fact.namespace, fact.name) in written
        if not is_known and fact.namespace == proxy.namespace and is_selected(fact.selector, proxy.labels):
            groups.append(
                [
                    (port.port, port.target_port or port.port, _protocol(port.name, port.port))
                    for port in fact.ports
                ]
            )
    for group in groups:
        seen: set[tuple[int | str, str]] = set()
        for own, target, protocol in group:
            if (target, protocol) in seen:
                continue
            seen.add((target, protocol))
            if own == number:
                return target
    return number


def _speaks(port: ServicePort) -> str:
    if port.protocol == "UDP":
        return "udp"
    return _protocol(port.app_protocol or port.name, port.port)


def _protocol(name: str, number: int) -> str:
    """Distinguish protocols more finely than routing itself needs: gRPC is another one than HTTP."""
    word = name.lower().partition("-")[0]
    known = service_protocol(name=name, number=number, transport="TCP", app_protocol="")
    return f"{known} {word}" if word in _WORDS else known


def is_selected(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a Service's selector selects a Pod with *labels*; an empty one selects nothing."""
    return bool(selector) and selector.items() <= labels.items()


def _of_yaml(
    resource: Resource[Service], resources: Resources, inventory: Inventory, fact_address: str | None
) -> KnownService:
    spec = resource.spec
    address = fact_address or spec.cluster_ip
    ports: dict[int, KnownPort] = {}
    for port in spec.ports:
        backends, doubt = _backends(resource, port, resources, inventory)
        ports.setdefault(
            port.port,
            KnownPort(
                port.port,
                port.name,
                service_protocol(
                    name=port.name,
                    number=port.port,
                    transport=port.protocol,
                    app_protocol=port.app_protocol,
                ),
                backends,
                doubt,
            ),
        )
    exported = resource.annotations.get(EXPORT_TO, "")
    return KnownService(
        order=resource.order,
        host=f"{resource.name}.{resource.namespace}.svc.{inventory.domain}".lower(),
        namespace=resource.namespace,
        is_entry=False,
        resolution="ALIAS"
        if spec.type == "ExternalName"
        else "HEADLESS"
        if spec.is_headless
        else "CLUSTER_IP",
        ports=ports,
        addresses=(address,) if address and address != "None" else (),
        export_to=tuple(part.strip() for part in exported.split(",") if part.strip()),
        title=resource.title,
    )


def _of_inventory(fact: ServiceFact, inventory: Inventory) -> KnownService:
    pods = [
        proxy
        for proxy in inventory.proxies.values()
        if proxy.namespace == fact.namespace and is_selected(fact.selector, proxy.labels)
    ]
    return KnownService(
        host=f"{fact.name}.{fact.namespace}.svc.{inventory.domain}".lower(),
        namespace=fact.namespace,
        is_entry=False,
        resolution="HEADLESS" if fact.cluster_ip == "None" else "CLUSTER_IP",
        ports={
            port.port: KnownPort(
                port.port,
                port.name,
                service_protocol(name=port.name, number=port.port, transport="TCP", app_protocol=""),
                tuple(Backend(Endpoint(pod.ip, port.target_port or port.port), pod.labels) for pod in pods),
            )
            for port in reversed(fact.ports)
        },
        addresses=(fact.cluster_ip,) if fact.cluster_ip and fact.cluster_ip != "None" else (),
        export_to=(),
        title=f"Service {fact.namespace}/{fact.name} of the inventory",
    )


def _backends(
    resource: Resource[Service], port: ServicePort, resources: Resources, inventory: Inventory
) -> tuple[tuple[Backend, ...], str]:
    slices = [
        candidate
        for candidate in resources.endpoint_slices
        if candidate.namespace == resource.namespace
        and candidate.labels.get(SERVICE_NAME_LABEL) == resource.name
    ]
    if slices:
        return tuple(_of_slices(slices, resource, port, resources)), ""
    found: list[Backend] = []
    selector = resource.spec.selector
    target = port.target_port or port.port
    for pod in resources.pods:
        ip = pod.spec.status.pod_ip
        if pod.namespace != resource.namespace or not ip or not is_selected(selector, pod.labels):
            continue
        number = target if isinstance(target, int) else _container_port(pod.spec.spec.containers, target)
        if number is not None:
            found.append(Backend(Endpoint(ip, number), pod.labels))
    known = {backend.endpoint.address for backend in found}
    doubt = ""
    for name, proxy in inventory.proxies.items():
        if proxy.namespace != resource.namespace or not is_selected(selector, proxy.labels):
            continue
        if proxy.ip in known:
            continue
        if isinstance(target, str):
            doubt = f"the named port {target} of proxy {name} is not known"
        else:
            found.append(Backend(Endpoint(proxy.ip, target), proxy.labels))
    return tuple(found), doubt


def _container_port(containers: Iterable[object], name: str) -> int | None:
    for container in containers:
        for port in getattr(container, "ports", ()):
            if port.name == name:
                return int(port.container_port)
    return None


def _of_slices(
    slices: Iterable[Resource[EndpointSlice]],
    service: Resource[Service],
    port: ServicePort,
    resources: Resources,
) -> Iterable[Backend]:
    pods = {(pod.namespace, pod.name): pod for pod in resources.pods}
    for resource in slices:
        numbers = [candidate.port for candidate in resource.spec.ports if candidate.name == port.name]
        for endpoint in resource.spec.endpoints:
            if endpoint.conditions.ready is False and not service.spec.publish_not_ready_addresses:
                continue
            reference = endpoint.target_ref
            pod = pods.get((reference.namespace or resource.namespace, reference.name)) if reference else None
            for number in numbers:
                if number is None:
                    continue
                for address in endpoint.addresses[:1]:
                    yield Backend(Endpoint(address, number), pod.labels if pod else {})
