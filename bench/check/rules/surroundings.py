"""What the rules look at: the resources, the workloads that exist, and who sees which host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.istio.documents import Document
from bench.istio.hosts import expand_gateway, expand_host, is_wildcard
from bench.istio.inventory import Inventory, Semantics, ServiceFact
from bench.istio.models import Gateway, Service, ServicePort
from bench.istio.resource import Resource, Resources

EVERYONE = "*"
EXPORT_ANNOTATION = "networking.istio.io/exportTo"


@dataclass(frozen=True, slots=True)
class Workload:
    """A pod that exists."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A host that a Service or a ServiceEntry declares."""

    host: str
    ports: tuple[int, ...]
    namespace: str
    scopes: frozenset[str]
    """Namespaces that see it; ``*`` is every one."""
    resource: Resource[Any]

    def is_visible_in(self, namespace: str) -> bool:
        """Tell whether it is exported to *namespace*."""
        return EVERYONE in self.scopes or namespace in self.scopes


def scopes_of(export_to: Iterable[str], namespace: str) -> frozenset[str]:
    """Resolve ``exportTo`` of a resource of *namespace*: nothing written is everyone, ``.`` its own."""
    scopes = frozenset(namespace if entry == "." else entry for entry in export_to)
    return frozenset({EVERYONE}) if not scopes or EVERYONE in scopes else scopes


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Tell whether *labels* have all pairs of *selector*; an empty selector selects everything."""
    return selector.items() <= labels.items()


def selector_text(selector: Mapping[str, str]) -> str:
    """``app=x,istio=y``, sorted, as Kubernetes prints it."""
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))


class Surroundings:
    """Everything that a rule may ask for. Immutable; indexes are made on first use."""

    def __init__(
        self,
        resources: Resources,
        inventory: Inventory | None = None,
        *,
        workloads_are_known: bool = True,
        proxies_are_assumed: bool = False,
    ) -> None:
        """*workloads_are_known*: what is neither a Pod nor a proxy of the inventory does not exist.

        *proxies_are_assumed*: nobody wrote the inventory; Pods and namespaces alone say which proxies exist.
        """
        self.proxies_are_written = inventory is not None and not proxies_are_assumed
        self.resources = resources
        self.inventory = inventory
        self.workloads_are_known = workloads_are_known
        self.domain = "cluster.local" if inventory is None else inventory.domain
        self.root_namespace = "istio-system" if inventory is None else inventory.root_namespace
        self.semantics: Semantics = "current" if inventory is None else inventory.semantics

    @cached_property
    def known_workloads(self) -> tuple[Workload, ...]:
        """What somebody wrote: the Pods, and the proxies of an inventory, else what makes Pods."""
        pods = [Workload(pod.namespace, pod.name, pod.labels) for pod in self.resources.pods]
        if self.proxies_are_written:
            return (*pods, *self._proxies())
        makers = self.resources.deployments
        return (*pods, *(Workload(e.namespace, e.name, e.spec.template.metadata.labels) for e in makers))

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """What is known, and what is assumed."""
        return self.known_workloads if self.proxies_are_written else (*self.known_workloads, *self._proxies())

    def _proxies(self) -> Iterator[Workload]:
        proxies = () if self.inventory is None else self.inventory.proxies.items()
        return (Workload(proxy.namespace, name, proxy.labels) for name, proxy in proxies)

    def selected(self, selector: Mapping[str, str]) -> Iterator[Workload]:
        """Give the workloads, of any namespace, with the labels of *selector*."""
        return (workload for workload in self.workloads if selects(selector, workload.labels))

    @cached_property
    def services(self) -> tuple[Resource[Service], ...]:
        """The Kubernetes Services of the YAML, then those that the inventory adds."""
        written = {(service.namespace, service.name) for service in self.resources.services}
        facts = () if self.inventory is None else self.inventory.services
        added = (_as_service(fact) for fact in facts if (fact.namespace, fact.name) not in written)
        return (*self.resources.services, *added)

    @cached_property
    def gateways(self) -> Mapping[str, Resource[Gateway]]:
        """The Gateways by ``namespace/name``."""
        return {f"{gateway.namespace}/{gateway.name}": gateway for gateway in self.resources.gateways}

    def gateway(self, name: str, namespace: str) -> Resource[Gateway] | None:
        """Give the Gateway that a resource of *namespace* calls *name*."""
        return self.gateways.get(expand_gateway(name, namespace))

    def full_name(self, host: str, namespace: str) -> str:
        """Give the full name of *host* as written in a resource of *namespace*."""
        return expand_host(host, namespace, self.domain)

    @cached_property
    def hosts(self) -> Mapping[str, Sequence[KnownHost]]:
        """Each declared host, wildcards among them: who declares it, the one that counts last."""
        known: dict[str, list[KnownHost]] = {}
        for entry in self.resources.service_entries:
            ports = tuple(port.number for port in entry.spec.ports)
            scopes = scopes_of(entry.spec.export_to, entry.namespace)
            for written in entry.spec.hosts:
                host = self.full_name(written, entry.namespace)
                known.setdefault(host, []).append(KnownHost(host, ports, entry.namespace, scopes, entry))
        for service in self.services:
            exported = service.annotations.get(EXPORT_ANNOTATION, "")
            host = self.full_name(service.name, service.namespace)
            known.setdefault(host, []).append(
                KnownHost(
                    host,
                    tuple(port.port for port in service.spec.ports),
                    service.namespace,
                    scopes_of(
                        (each.strip() for each in exported.split(",") if each.strip()), service.namespace
                    ),
                    service,
                )
            )
        return known

    @cached_property
    def wildcard_hosts(self) -> tuple[str, ...]:
        """The declared hosts that begin with a star."""
        return tuple(host for host in self.hosts if is_wildcard(host))

    def declared(self, host: str, namespace: str, export_to: Iterable[str] = ()) -> KnownHost | None:
        """Find *host* as a resource of *namespace* with that ``exportTo`` may name it.

        Source: istio ``GetDestinationHost``: exact first, then each wildcard that its end fits.
        """
        name = self.full_name(host, namespace)
        scopes = scopes_of(export_to, namespace)
        if EVERYONE in scopes:
            scopes = frozenset({namespace})
        exact = self.hosts.get(name, ())
        for known in reversed(exact):
            if EVERYONE in known.scopes:
                return known
        for known in reversed(exact):
            if known.scopes & scopes:
                return known
        for wildcard in self.wildcard_hosts:
            if host.removeprefix("*").endswith(wildcard.removeprefix("*")):
                for known in self.hosts[wildcard]:
                    if known.is_visible_in(namespace):
                        return known
        return None

    def ports_of(self, known: KnownHost) -> frozenset[int]:
        """Give all ports of the service *known*.

        Under ``current`` semantics a Kubernetes Service replaces a ServiceEntry of its host; under
        ``istio-1.0`` their ports come together. Several ServiceEntries of one host always do.
        """
        declared = self.hosts[known.host]
        if known.resource.kind == "Service" and self.semantics == "current":
            declared = [known]
        return frozenset(port for each in declared for port in each.ports)


def _as_service(fact: ServiceFact) -> Resource[Service]:
    ports = tuple(
        ServicePort.model_validate({"name": port.name, "port": port.port, "targetPort": port.target_port})
        for port in fact.ports
    )
    return Resource(
        kind="Service",
        api_version="v1",
        name=fact.name,
        namespace=fact.namespace,
        labels={},
        annotations={},
        spec=Service(selector=dict(fact.selector), ports=ports),
        order=0,
        document=Document(data={}, file="inventory", first_line=1, text="", offset=0),
    )
