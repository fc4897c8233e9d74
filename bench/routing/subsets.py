"""Which DestinationRule holds for a service, and what its subsets select.

Source: DestinationRule in Istio's API reference (host, subsets, exportTo, portLevelSettings) and "Destination
rules" in Istio's documentation for the order of namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bench.istio.inventory import Inventory, Proxy
from bench.istio.models import DestinationRule, TrafficPolicy
from bench.istio.resource import Resource, Resources
from bench.routing.names import covers, is_wildcard, written_name
from bench.routing.service import KnownService


@dataclass(frozen=True, slots=True)
class SubsetRule:
    """One subset: what it selects and what it changes."""

    labels: Mapping[str, str]
    policy: TrafficPolicy | None


@dataclass(frozen=True, slots=True)
class HostRule:
    """All that holds for one host: one rule, or several that are merged."""

    host: str
    namespace: str
    exports: frozenset[str]
    """``exportTo`` as written."""
    title: str
    subsets: Mapping[str, SubsetRule]
    policy: TrafficPolicy | None
    selector: Mapping[str, str] | None = None
    """Labels of the workloads that it holds for; None is all."""

    def tls_mode(self, port: int, subset: str) -> str:
        """``DISABLE`` when none is written. The most specific level that speaks about TLS decides.

        ``portLevelSettings`` replace the whole policy beside them for their port; a subset's policy lies
        over the host's.
        """
        mode = _tls_of(_at_port(self.policy, port))
        rule = self.subsets.get(subset)
        if rule is None or rule.policy is None:
            return mode or "DISABLE"
        own_port = _port_settings(rule.policy, port)
        if own_port is not None:
            return _tls_of(own_port) or "DISABLE"
        return _tls_of(rule.policy) or mode or "DISABLE"

    def sni(self, port: int, subset: str) -> str:
        """The SNI that is written for the mode of :meth:`tls_mode`; empty if none is."""
        settings = getattr(_at_port(self.policy, port), "tls", None)
        rule = self.subsets.get(subset)
        if rule is not None and rule.policy is not None:
            own_port = _port_settings(rule.policy, port)
            own = getattr(own_port if own_port is not None else rule.policy, "tls", None)
            settings = own if own_port is not None or own is not None else settings
        return settings.sni if settings is not None else ""

    def passes_through(self, port: int, subset: str) -> bool:
        """Whether the load balancer is PASSTHROUGH: the address that the client dialled is used."""
        balancer = getattr(_at_port(self.policy, port), "load_balancer", None)
        rule = self.subsets.get(subset)
        if rule is not None and rule.policy is not None:
            own_port = _port_settings(rule.policy, port)
            own = getattr(own_port if own_port is not None else rule.policy, "load_balancer", None)
            balancer = own if own_port is not None or own is not None else balancer
        return balancer is not None and balancer.simple == "PASSTHROUGH"


def _port_settings(policy: TrafficPolicy | None, port: int) -> object | None:
    for settings in policy.port_level_settings if policy is not None else ():
        if settings.port is not None and settings.port.number == port:
            return settings
    return None


def _at_port(policy: TrafficPolicy | None, port: int) -> object | None:
    return _port_settings(policy, port) or policy


def _tls_of(settings: object | None) -> str | None:
    tls = getattr(settings, "tls", None)
    return tls.mode if tls is not None else None


class _Pool:
    """Rules of one namespace that are merged with each other, by host."""

    def __init__(self) -> None:
        self._by_host: dict[str, list[HostRule]] = {}

    def add(self, rule: HostRule) -> None:
        """Merge *rule* into those it belongs to; keep it for itself as well unless that says it all."""
        known = self._by_host.setdefault(rule.host, [])
        is_kept = True
        for index, older in enumerate(known):
            is_same = older.exports == rule.exports
            if not is_same and not (older.exports and older.exports < rule.exports):
                is_kept = True
                continue
            if older.selector is not None and rule.selector not in (None, older.selector):
                is_kept = True
                continue
            is_kept = not is_same and (older.selector is None) != (rule.selector is None)
            known[index] = replace(
                older,
                subsets={**rule.subsets, **older.subsets},
                policy=older.policy if older.policy is not None else rule.policy,
            )
        if is_kept:
            known.append(rule)

    def find(self, host: str) -> list[HostRule]:
        """The rules of the most specific host that covers *host*."""
        if host in self._by_host:
            return self._by_host[host]
        wild = [name for name in self._by_host if is_wildcard(name) and covers(name, host)]
        return self._by_host[max(wild, key=len)] if wild else []


class DestinationRules:
    """All DestinationRules, merged where they belong together.

    A rule with a ``workloadSelector`` comes before all others and counts as exported to ``.`` only; exports
    are compared as they are written, so ``.`` and the own namespace's name differ.
    """

    def __init__(self, resources: Resources, inventory: Inventory) -> None:
        self._domain = inventory.domain
        self._root = inventory.root_namespace
        self._is_old = inventory.semantics == "istio-1.0"
        self._all = _Pool()
        self._own: dict[str, _Pool] = {}
        self._exported: dict[str, _Pool] = {}
        self._private_to_root = _Pool()
        for resource in resources.destination_rules:
            if self._is_old:
                self._all.add(replace(self._rule(resource), exports=frozenset()))
        for selecting in (True, False):
            for resource in resources.destination_rules:
                if (resource.spec.workload_selector is not None) is selecting and not self._is_old:
                    self._place(self._rule(resource))

    def _rule(self, resource: Resource[DestinationRule]) -> HostRule:
        spec, selector = resource.spec, resource.spec.workload_selector
        written = written_name(spec.host, resource.namespace, self._domain)
        return HostRule(
            host=written.lower() if self._is_old else written,
            namespace=resource.namespace,
            exports=frozenset(spec.export_to) if selector is None else frozenset({"."}),
            selector=None if selector is None else dict(selector.match_labels),
            title=f"{resource.title} ({resource.position(('spec', 'host'))})",
            subsets={
                subset.name: SubsetRule(subset.labels, subset.traffic_policy)
                for subset in reversed(spec.subsets)
            },
            policy=spec.traffic_policy,
        )

    def _place(self, rule: HostRule) -> None:
        owner, exports = rule.namespace, rule.exports
        if not exports or exports & {"*", ".", owner}:
            self._own.setdefault(owner, _Pool()).add(rule)
        if exports not in ({"."}, {owner}):
            self._exported.setdefault(owner, _Pool()).add(rule)
        elif owner == self._root:
            self._private_to_root.add(rule)

    def of(self, service: KnownService, proxy: Proxy) -> HostRule | None:
        """The rule that *proxy* obeys when it calls *service*."""
        if self._is_old:
            return _for_proxy(self._all.find(service.host), proxy)
        # In the root namespace, the own namespace is looked at last; only what is private there comes first.
        own = self._private_to_root if proxy.namespace == self._root else self._own.get(proxy.namespace)
        found = own.find(service.written) if own is not None else []
        for owner in (service.namespace, self._root):
            pool = self._exported.get(owner)
            if not found and pool is not None:
                found = [
                    rule
                    for rule in pool.find(service.written)
                    if not rule.exports or rule.exports & {"*", proxy.namespace}
                ]
        return _for_proxy(found, proxy)


def _for_proxy(rules: Iterable[HostRule], proxy: Proxy) -> HostRule | None:
    """The first rule that selects the proxy, which only one of its namespace can; else the last for all."""
    general: HostRule | None = None
    for rule in rules:
        if rule.selector is None:
            general = rule
        elif rule.namespace == proxy.namespace and rule.selector.items() <= proxy.labels.items():
            return rule
    return general
