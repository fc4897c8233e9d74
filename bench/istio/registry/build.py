"""Resources and inventory in, registry out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bench.errors import InputError, Position
from bench.istio.ineffective import ineffective_settings
from bench.istio.inventory import Inventory, Proxy, ServiceFact
from bench.istio.models import Gateway
from bench.istio.problem import Problem
from bench.istio.registry.destination_rules import DestinationRules
from bench.istio.registry.kubernetes import kubernetes_service, service_from_fact, slices_by_service
from bench.istio.registry.service_entries import services_of_entry
from bench.istio.registry.services import Endpoint, Service
from bench.istio.registry.virtual_services import BoundVirtualService, bind_virtual_services
from bench.istio.registry.workloads import Workload, gather_workloads
from bench.istio.resource import Resource, Resources


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that any proxy can see, oldest first."""

    inventory: Inventory
    services: tuple[Service, ...]
    virtual_services: tuple[BoundVirtualService, ...]
    gateways: tuple[Resource[Gateway], ...]
    destination_rules: DestinationRules
    workloads: tuple[Workload, ...]
    endpoints_by_host: Mapping[str, Sequence[tuple[Service, Endpoint]]]
    notices: tuple[Problem, ...] = ()
    """What was skipped, and what has no effect."""

    def proxy(self, name: str) -> Proxy:
        """Give the proxy *name* of the inventory.

        Raises:
            InputError: there is none of that name.
        """
        proxy = self.inventory.proxies.get(name)
        if proxy is None:
            raise InputError(
                f"the inventory has no proxy {name!r}.",
                remedy=f"It has {', '.join(sorted(self.inventory.proxies))}.",
            )
        return proxy


def build_registry(
    resources: Resources,
    inventory: Inventory,
    *,
    inventory_file: str = "inventory.yaml",
    locate_fact: Callable[[int], Position] | None = None,
) -> Registry:
    """Unify the services of all resources with what the inventory knows.

    Files carry no creation time: the order of documents serves as the age, and the inventory's Services come
    after all of them. ``inventory_file`` is where messages say that those are; ``locate_fact`` finds the
    line of each by its index, else line 1 represents all.
    """
    workloads = gather_workloads(inventory, resources.pods)
    facts = {(fact.namespace, fact.name): fact for fact in inventory.services}
    places = {
        (fact.namespace, fact.name): partial(locate_fact, index)
        if locate_fact is not None
        else partial(Position, inventory_file, 1)
        for index, fact in enumerate(inventory.services)
    }
    slices = slices_by_service(resources.endpoint_slices)
    entries = resources.workload_entries
    services: list[tuple[int, Service]] = []
    written: set[tuple[str, str]] = set()
    for resource in resources.services:
        key = resource.namespace, resource.name
        written.add(key)
        service = kubernetes_service(
            resource,
            fact=facts.get(key),
            slices=slices,
            workloads=workloads,
            entries=entries,
            domain=inventory.domain,
            aliases=inventory.semantics == "current",
        )
        services.append((resource.order, service))
    for entry in resources.service_entries:
        found = services_of_entry(entry, workloads=workloads, entries=entries)
        services += [(entry.order, service) for service in found]
    services.sort(key=lambda each: each[0])
    ordered = [service for _, service in services]
    ordered += _from_facts(facts, written, workloads, inventory.domain, places)
    by_host: dict[str, list[tuple[Service, Endpoint]]] = defaultdict(list)
    for service in ordered:
        by_host[service.host] += [(service, endpoint) for endpoint in service.endpoints]
    virtual_services = bind_virtual_services(resources.virtual_services, inventory.domain)
    notices = [*resources.warnings, *ineffective_settings(resources), *_aliases_of_nothing(ordered)]
    notices += [problem for each in virtual_services for problem in each.lost]
    return Registry(
        inventory=inventory,
        services=tuple(ordered),
        virtual_services=virtual_services,
        gateways=tuple(sorted(resources.gateways, key=lambda resource: resource.order)),
        destination_rules=DestinationRules(
            sorted(resources.destination_rules, key=lambda resource: resource.order),
            semantics=inventory.semantics,
            root_namespace=inventory.root_namespace,
            domain=inventory.domain,
        ),
        workloads=workloads,
        endpoints_by_host=by_host,
        notices=tuple(dict.fromkeys(notices)),
    )


def _aliases_of_nothing(services: Sequence[Service]) -> Iterator[Problem]:
    hosts = {service.host for service in services}
    for service in services:
        if service.external_name is not None and service.external_name not in hosts:
            yield Problem(
                service.where,
                f"the Service {service.namespace}/{service.name} of type ExternalName represents "
                f"{service.external_name}, which no resource declares, so proxies do not know it either.",
                "Declare the host in a ServiceEntry.",
            )


def _from_facts(
    facts: Mapping[tuple[str, str], ServiceFact],
    written: set[tuple[str, str]],
    workloads: Sequence[Workload],
    domain: str,
    places: Mapping[tuple[str, str], Callable[[], Position]],
) -> list[Service]:
    services: list[Service] = []
    for key, fact in facts.items():
        if key in written:
            continue
        if not fact.ports:
            raise InputError(
                f"the inventory adds a cluster IP to the Service {fact.namespace}/{fact.name}, which does "
                "not exist.",
                where=places[key](),
                remedy="Add the Service to the YAML, or give it ports in the inventory.",
            )
        services.append(service_from_fact(fact, workloads, domain, places[key]))
    return services
