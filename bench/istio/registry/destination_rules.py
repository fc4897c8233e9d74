"""Which DestinationRule holds for a service, seen from a client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from bench.istio.hosts import covers, expand_as_written, expand_host, is_wildcard, most_specific
from bench.istio.inventory import Semantics
from bench.istio.models import DestinationRule
from bench.istio.registry.services import Service
from bench.istio.resource import Resource

_PRIVATE = frozenset({"."})


@dataclass(frozen=True, slots=True)
class MergedRule:
    """One or several DestinationRules for one host that count as one."""

    rule: DestinationRule
    export_to: frozenset[str]
    """As written: ``.`` and the own namespace's name are two things; empty or ``*`` is everyone.

    With a workload selector it is ``.``, whatever is written.
    """
    namespace: str
    sources: tuple[Resource[DestinationRule], ...]
    policy_source: Resource[DestinationRule]
    """Where the traffic policy of the whole service is."""

    def subset_source(self, name: str) -> tuple[Resource[DestinationRule], int]:
        """Give the resource that defines the subset *name*, and its place among that resource's subsets."""
        for source in self.sources:
            for index, subset in enumerate(source.spec.subsets):
                if subset.name == name:
                    return source, index
        raise KeyError(name)

    @property
    def selector(self) -> Mapping[str, str] | None:
        """Labels of the clients that the rule holds for; None is every client."""
        selector = self.rule.workload_selector
        return None if selector is None else selector.match_labels


class _ByHost:
    """Rules of one owner, merged for each host in the order of their age."""

    def __init__(self) -> None:
        self._rules: dict[str, list[MergedRule]] = {}
        self._wildcards: list[str] = []

    def add(self, host: str, resource: Resource[DestinationRule], export_to: frozenset[str]) -> None:
        entries = self._rules.setdefault(host, [])
        if not entries and is_wildcard(host):
            self._wildcards.append(host)
        separate = True
        for index, entry in enumerate(entries):
            merges, separate = _relation(entry, resource.spec, export_to)
            if merges:
                entries[index] = _merge(entry, resource)
        if separate:
            entries.append(
                MergedRule(resource.spec, export_to, resource.namespace, (resource,), policy_source=resource)
            )

    def find(self, host: str) -> list[MergedRule]:
        """Give the rules of the most specific host that covers *host*: the host itself, else a wildcard."""
        if host in self._rules:
            return self._rules[host]
        best = most_specific(host, self._wildcards)
        return [] if best is None else self._rules[best]


def _relation(entry: MergedRule, rule: DestinationRule, export_to: frozenset[str]) -> tuple[bool, bool]:
    """Return whether *rule* is merged into *entry*, and whether it still needs an entry of its own.

    Follows istio ``mergeDestinationRule`` to the letter.
    """
    if export_to == entry.export_to:
        separate = False
    elif entry.export_to and export_to > entry.export_to:
        separate = True
    else:
        return False, True
    ours, theirs = entry.rule.workload_selector, rule.workload_selector
    if ours is not None and theirs is not None and ours.match_labels != theirs.match_labels:
        return False, True
    if (ours is None) == (theirs is None):
        separate = False
    return True, separate


def _merge(entry: MergedRule, resource: Resource[DestinationRule]) -> MergedRule:
    known = {subset.name for subset in entry.rule.subsets}
    added = tuple(subset for subset in resource.spec.subsets if subset.name not in known)
    takes_policy = entry.rule.traffic_policy is None and resource.spec.traffic_policy is not None
    policy = resource.spec.traffic_policy if takes_policy else entry.rule.traffic_policy
    merged = entry.rule.model_copy(
        update={"subsets": (*entry.rule.subsets, *added), "traffic_policy": policy}
    )
    return replace(
        entry,
        rule=merged,
        sources=(*entry.sources, resource),
        policy_source=resource if takes_policy else entry.policy_source,
    )


class DestinationRules:
    """All rules, ready to be looked up."""

    def __init__(
        self,
        resources: Iterable[Resource[DestinationRule]],
        *,
        semantics: Semantics,
        root_namespace: str,
        domain: str,
    ) -> None:
        self.all = tuple(resources)
        """Every rule, oldest first, whoever it reaches."""
        self._semantics = semantics
        self._root = root_namespace
        self._domain = domain
        self._everywhere = _ByHost()
        self._local: dict[str, _ByHost] = {}
        self._exported: dict[str, _ByHost] = {}
        self._root_private = _ByHost()
        if semantics == "istio-1.0":
            for resource in self.all:
                host = expand_host(resource.spec.host, resource.namespace, domain)
                self._everywhere.add(host, resource, frozenset())
            return
        # Rules that select workloads come before all others (istio ``sortConfigBySelectorAndCreationTime``).
        for resource in sorted(self.all, key=lambda each: each.spec.workload_selector is None):
            self._add(resource, expand_as_written(resource.spec.host, resource.namespace, domain))

    def written_for(self, host: str) -> tuple[Resource[DestinationRule], ...]:
        """Give every rule written for *host*, whoever it reaches: exact ones first, then wildcards."""
        exact, wild = self._as_written
        covering = (rule for written, rule in wild if written != host.lower() and covers(written, host))
        return (*exact.get(host.lower(), ()), *covering)

    @cached_property
    def _as_written(
        self,
    ) -> tuple[dict[str, list[Resource[DestinationRule]]], list[tuple[str, Resource[DestinationRule]]]]:
        """Full host in lower case -> its rules; and those whose host is a wildcard."""
        exact: dict[str, list[Resource[DestinationRule]]] = {}
        wild = []
        for rule in self.all:
            written = expand_host(rule.spec.host, rule.namespace, self._domain)
            exact.setdefault(written, []).append(rule)
            if is_wildcard(written):
                wild.append((written, rule))
        return exact, wild

    def _add(self, resource: Resource[DestinationRule], host: str) -> None:
        owner = resource.namespace
        export_to = frozenset(resource.spec.export_to)
        if resource.spec.workload_selector is not None:
            export_to = _PRIVATE
        if not export_to or export_to & {"*", ".", owner}:
            self._local.setdefault(owner, _ByHost()).add(host, resource, export_to)
        if export_to not in (_PRIVATE, frozenset({owner})):
            self._exported.setdefault(owner, _ByHost()).add(host, resource, export_to)
        elif owner == self._root:
            self._root_private.add(host, resource, export_to)

    def find(self, service: Service, namespace: str, labels: Mapping[str, str]) -> MergedRule | None:
        """Give the rule for *service* that holds for a client in *namespace* with *labels*.

        Current Istio asks the client's namespace, then the service's, then the root namespace, and the first
        that has any rule for the host decides; a client in the root namespace only has its private rules
        first. Istio 1.0 takes the most specific rule there is, whatever its namespace.
        """
        return _for_client(self._candidates(service, namespace), namespace, labels)

    def _candidates(self, service: Service, namespace: str) -> list[MergedRule]:
        if self._semantics == "istio-1.0":
            return self._everywhere.find(service.host)
        host = service.own_host
        own = self._root_private if namespace == self._root else self._local.get(namespace)
        if own is not None and (found := own.find(host)):
            return found
        for owner in dict.fromkeys((service.namespace, self._root)):
            exported = self._exported.get(owner)
            if exported is None:
                continue
            found = [rule for rule in exported.find(host) if _is_visible(rule, namespace)]
            if found:
                return found
        return []


def _is_visible(rule: MergedRule, namespace: str) -> bool:
    return not rule.export_to or "*" in rule.export_to or namespace in rule.export_to


def _for_client(rules: list[MergedRule], namespace: str, labels: Mapping[str, str]) -> MergedRule | None:
    """Prefer a rule that selects the client; rules with a selector only reach clients of their namespace."""
    general: MergedRule | None = None
    for rule in rules:
        if rule.selector is None:
            general = rule
        elif rule.namespace == namespace and rule.selector.items() <= labels.items():
            return rule
    return general
