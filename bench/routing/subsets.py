"""Which DestinationRule holds for a service, and what its subsets select.

Source: DestinationRule in Istio's API reference (host, subsets, exportTo, portLevelSettings) and "Destination
rules" in Istio's documentation for the order of namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.istio.inventory import Inventory, Proxy
from bench.istio.models.destination_rule import DestinationRule, TrafficPolicy
from bench.istio.resource import Resource, Resources
from bench.routing.names import covers, full_name, is_visible, is_wildcard
from bench.routing.service import KnownService


@dataclass(frozen=True, slots=True)
class SubsetRule:
    """One subset: what it selects and what it changes."""

    labels: Mapping[str, str]
    policy: TrafficPolicy | None


@dataclass(frozen=True, slots=True)
class HostRule:
    """All that holds for one host: rules of one host in one namespace are one rule."""

    host: str
    namespace: str
    export_to: tuple[str, ...]
    title: str
    subsets: Mapping[str, SubsetRule]
    policy: TrafficPolicy | None

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


class DestinationRules:
    """All DestinationRules, oldest first, merged where they belong together."""

    def __init__(self, resources: Resources, inventory: Inventory) -> None:
        self._domain = inventory.domain
        self._root = inventory.root_namespace
        self._is_old = inventory.semantics == "istio-1.0"
        self._plain: list[HostRule] = []
        self._selecting: list[tuple[Mapping[str, str], HostRule]] = []
        for resource in resources.destination_rules:
            self._add(resource)

    def _add(self, resource: Resource[DestinationRule]) -> None:
        spec = resource.spec
        rule = HostRule(
            host=full_name(spec.host, resource.namespace, self._domain),
            namespace=resource.namespace,
            export_to=tuple(spec.export_to),
            title=f"{resource.title} ({resource.position(('spec', 'host'))})",
            subsets={
                subset.name: SubsetRule(subset.labels, subset.traffic_policy)
                for subset in reversed(spec.subsets)
            },
            policy=spec.traffic_policy,
        )
        if spec.workload_selector is not None:
            self._selecting.append((spec.workload_selector.match_labels, rule))
            return
        for index, other in enumerate(self._plain):
            if (other.host, other.namespace, set(other.export_to)) == (
                rule.host,
                rule.namespace,
                set(rule.export_to),
            ):
                self._plain[index] = HostRule(
                    other.host,
                    other.namespace,
                    other.export_to,
                    other.title,
                    {**rule.subsets, **other.subsets},
                    other.policy if other.policy is not None else rule.policy,
                )
                return
        self._plain.append(rule)

    def of(self, service: KnownService, proxy: Proxy) -> HostRule | None:
        """The rule that *proxy* obeys when it calls *service*."""
        if self._is_old:
            return _most_specific(self._plain, service.host)
        selecting = [
            rule
            for labels, rule in self._selecting
            if rule.namespace == proxy.namespace and labels.items() <= proxy.labels.items()
        ]
        own = _most_specific(selecting, service.host)
        if own is not None:
            return own
        levels = [
            [rule for rule in self._plain if rule.namespace == proxy.namespace],
            [rule for rule in self._plain if rule.namespace == service.namespace],
            [rule for rule in self._plain if rule.namespace == self._root],
        ]
        if proxy.namespace == self._root:
            # There, the own namespace is looked at last; only what is kept private there comes first.
            levels[0] = [rule for rule in levels[0] if set(rule.export_to) == {"."}]
        for level in levels:
            visible = (
                rule
                for rule in level
                if is_visible(rule.export_to, owner=rule.namespace, viewer=proxy.namespace)
            )
            found = _most_specific(visible, service.host)
            if found is not None:
                return found
        return None


def _most_specific(rules: Iterable[HostRule], host: str) -> HostRule | None:
    best: HostRule | None = None
    for rule in rules:
        if not covers(rule.host, host):
            continue
        if not is_wildcard(rule.host):
            return rule
        if best is None or len(rule.host) > len(best.host):
            best = rule
    return best
