"""DestinationRules without a service, and subsets without an endpoint (IST0173, IST0174, EB0004).

Source of the rules: istio ``destinationrule/subset.go``, and where that is blind or wrong, istiod's own
look-up. istioctl asks for a Pod of whatever service with the labels of the subset: it misses endpoints that
stand in a ServiceEntry or a WorkloadEntry, and takes Pods of other services for endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import (
    EVERYONE,
    KnownHost,
    Surroundings,
    Workload,
    scopes_of,
    selects,
)
from bench.istio.hosts import covers, is_wildcard
from bench.istio.models import DestinationRule
from bench.istio.resource import Resource
from bench.message import say


def check_destination_rules(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0174 for a host that no service has, IST0173 for a subset that nothing belongs to.

    A subset that nothing belongs to although some Pod of another service has its labels is EB0004.
    """
    labels = _EndpointLabels(surroundings)
    for rule in surroundings.resources.destination_rules:
        services = list(services_of(surroundings, rule))
        if not services:
            yield _unknown_host(surroundings, rule)
            continue
        for number, subset in enumerate(rule.spec.subsets):
            if not any(labels.has_endpoint(service, subset.labels) for service in services):
                foreign = labels.has_foreign_pod(services, subset.labels)
                yield _empty_subset(rule, number, services, foreign)


def services_of(surroundings: Surroundings, rule: Resource[DestinationRule]) -> Iterator[KnownHost]:
    """Give what *rule* can hold for: of its host or, for a wildcard, below it, and seen by the same clients.

    A rule counts for clients of its own namespace, and for others if it is in the service's or the root's.
    """
    host = surroundings.full_name(rule.spec.host, rule.namespace)
    scopes = scopes_of(rule.spec.export_to, rule.namespace)
    # istioctl asks for an entry of the very same wildcard; istiod applies the rule to each host below it.
    names = [each for each in surroundings.hosts if covers(host, each)] if is_wildcard(host) else [host]
    if not is_wildcard(host):
        names += [wildcard for wildcard in surroundings.wildcard_hosts if covers(wildcard, host)]
    for name in names:
        for known in surroundings.hosts.get(name, ()):
            if _counts(surroundings, rule, known, scopes):
                yield known


def _counts(
    surroundings: Surroundings, rule: Resource[DestinationRule], known: KnownHost, scopes: frozenset[str]
) -> bool:
    """Tell whether some client sees both, and looks for rules where this one is."""
    is_public = EVERYONE in scopes
    if (is_public or rule.namespace in scopes) and known.is_visible_in(rule.namespace):
        return True
    if rule.namespace not in (known.namespace, surroundings.root_namespace):
        return False
    return is_public or any(known.is_visible_in(scope) for scope in scopes)


def _unknown_host(surroundings: Surroundings, rule: Resource[DestinationRule]) -> Finding:
    host = rule.spec.host
    full = surroundings.full_name(host, rule.namespace)
    hidden = surroundings.hosts.get(full)
    if hidden:
        scopes = tuple(sorted(hidden[-1].scopes))
        message = say(RuleCase.HIDDEN_SERVICE, host=host, scopes=scopes, namespace=hidden[-1].namespace)
    else:
        message = say(RuleCase.UNDECLARED_HOST, host=host, full="" if full == host.lower() else full)
    return finding(Level.WARNING, "IST0174", rule, ("spec", "host"), message)


def _empty_subset(
    rule: Resource[DestinationRule], number: int, services: list[KnownHost], foreign: Workload | None
) -> Finding:
    subset = rule.spec.subsets[number]
    labels = tuple(f"{key}={value}" for key, value in subset.labels.items()) or say(RuleCase.NO_LABELS)
    owners = tuple(dict.fromkeys(service.resource.title for service in services))
    if foreign is None:
        code, message = (
            "IST0173",
            say(RuleCase.EMPTY_SUBSET, owners=owners, subset=subset.name, labels=labels),
        )
    else:
        pod = f"{foreign.namespace}/{foreign.name}"
        code = "EB0004"
        message = say(RuleCase.FOREIGN_SUBSET, owners=owners, subset=subset.name, labels=labels, pod=pod)
    return finding(Level.WARNING, code, rule, ("spec", "subsets", number), message)


class _EndpointLabels:
    """Which labels the endpoints of a service have; istioctl only looks at Pods, of any service."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._slices: dict[tuple[str, str], bool] = {}
        for endpoints in surroundings.resources.endpoint_slices:
            name = endpoints.labels.get("kubernetes.io/service-name", "")
            key = (endpoints.namespace, name)
            self._slices[key] = self._slices.get(key, False) or bool(endpoints.spec.endpoints)

    def has_endpoint(self, service: KnownHost, wanted: Mapping[str, str]) -> bool:
        if service.resource.kind == "Service":
            return self._has_pod(service, wanted)
        return self._has_entry(service, wanted)

    def has_foreign_pod(self, services: list[KnownHost], wanted: Mapping[str, str]) -> Workload | None:
        for service in services:
            selector = getattr(service.resource.spec, "workload_selector", None)
            both = {**(selector.labels if selector is not None else {}), **wanted}
            for workload in self._surroundings.selected(both):
                return workload
        return None

    def _has_pod(self, service: KnownHost, wanted: Mapping[str, str]) -> bool:
        selector = service.resource.spec.selector
        if not selector:
            return not wanted or self._is_sliced(service)
        pods = [
            workload
            for workload in self._surroundings.selected(selector)
            if workload.namespace == service.namespace
        ]
        if not pods:
            # Endpoints without Pods: their labels are not in the YAML, so nothing can be said.
            return self._is_sliced(service)
        return any(selects(wanted, pod.labels) for pod in pods)

    def _is_sliced(self, service: KnownHost) -> bool:
        return self._slices.get((service.namespace, service.resource.name), False)

    def _has_entry(self, service: KnownHost, wanted: Mapping[str, str]) -> bool:
        spec = service.resource.spec
        if any(selects(wanted, endpoint.labels) for endpoint in spec.endpoints):
            return True
        if spec.workload_selector is not None:
            both = {**spec.workload_selector.labels, **wanted}
            workloads = [
                *(w.labels for w in self._surroundings.workloads if w.namespace == service.namespace),
                *(
                    {**entry.labels, **entry.spec.labels}
                    for entry in self._surroundings.resources.workload_entries
                    if entry.namespace == service.namespace
                ),
            ]
            return any(selects(both, labels) for labels in workloads)
        # A name that is looked up is one endpoint without labels; without labels a subset takes all.
        return not wanted and (spec.resolution != "STATIC" or bool(spec.endpoints))
