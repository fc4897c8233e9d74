"""Sidecars: one for each way in which resources can treat a client differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import Position
from bench.istio.hosts import MESH
from bench.istio.inventory import Proxy
from bench.istio.models import (
    HTTPMatchRequest,
    HTTPRoute,
    L4MatchAttributes,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
)
from bench.istio.resource import DEFAULT_NAMESPACE, Resource, Resources
from bench.scenario.assumed.kinds import Assumption
from bench.scenario.assumed.workloads import Addresses, Found, free_name

_SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
_Match = HTTPMatchRequest | TLSMatchAttributes | L4MatchAttributes
_Rule = HTTPRoute | TLSRoute | TCPRoute
_WORDS = frozenset({"*", ".", "~"})
"""What ``exportTo`` may say instead of a namespace."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Labels, and a namespace, that resources treat apart."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    where: Position | None


def assume_clients(
    resources: Resources,
    workloads: Sequence[Found],
    gateways: Mapping[str, Proxy],
    addresses: Addresses,
) -> tuple[dict[str, Proxy], list[Assumption]]:
    """Give the clients' sidecars, by name."""
    asked = list(_asked_for(resources))
    keys = {key for each in asked for key, _ in each.labels}
    special = _special_namespaces(resources)
    proxies: dict[str, Proxy] = {}
    assumptions: list[Assumption] = []
    seen: dict[tuple[str, frozenset[tuple[str, str]]], str] = {}
    left_out: dict[str, int] = {}
    for each in workloads:
        if not each.has_sidecar or each.namespace in _SYSTEM or _is_gateway(each, resources):
            continue
        # Namespaces that no resource knows are all alike.
        place = each.namespace if each.namespace in special else ""
        profile = place, frozenset((key, value) for key, value in each.labels.items() if key in keys)
        if profile in seen:
            left_out[seen[profile]] = left_out.get(seen[profile], 0) + 1
            continue
        name = free_name(each.name, {**gateways, **proxies})
        seen[profile] = name
        ip = each.ip or addresses.take()
        proxies[name] = _sidecar(each.namespace, each.labels, ip, each.service_account)
        if not each.ip:
            what = f"{name} runs as {each.title} says; it has no address yet, so one is made up."
            assumptions.append(Assumption(("proxies", name), what, each.where))
    for name, count in left_out.items():
        more = f"{count} more workload{'s' if count > 1 else ''}"
        what = f"{name} represents {more} that no resource treats differently."
        assumptions.append(Assumption(("proxies", name), what))
    if not proxies:
        return _invented(resources, asked, gateways, addresses)
    return proxies, assumptions


def _invented(
    resources: Resources, asked: Sequence[_Asked], gateways: Mapping[str, Proxy], addresses: Addresses
) -> tuple[dict[str, Proxy], list[Assumption]]:
    """Give a client for each namespace that has rules of its own, and for labels that rules ask for."""
    proxies: dict[str, Proxy] = {}
    assumptions: list[Assumption] = []
    places = _client_namespaces(resources, gateways)
    wanted = [_Asked(namespace, (), where) for namespace, where in places.items()]
    wanted += [
        each for each in asked if each.labels and (not each.namespace or each.namespace not in _SYSTEM)
    ]
    single = len(wanted) == 1
    made: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for each in wanted:
        namespace = each.namespace or next(iter(places))
        if (namespace, each.labels) in made:
            continue
        made.add((namespace, each.labels))
        name = free_name("client" if single else f"client-{namespace}", {**gateways, **proxies})
        proxies[name] = _sidecar(namespace, dict(each.labels), addresses.take(), "default")
        labels = ",".join(f"{key}={value}" for key, value in each.labels)
        whose = f" with the labels {labels}" if labels else ""
        what = (
            f"{name}: a sidecar represents every client in the namespace {namespace}{whose}; no Pod or "
            "Deployment in the YAML says who calls. Its address and its service account are made up."
        )
        assumptions.append(Assumption(("proxies", name), what, each.where))
    return proxies, assumptions


def _sidecar(namespace: str, labels: Mapping[str, str], ip: str, account: str) -> Proxy:
    written = {"namespace": namespace, "labels": dict(labels), "ip": ip, "serviceAccount": account}
    return Proxy.model_validate({"role": "sidecar", **written})


def _is_gateway(workload: Found, resources: Resources) -> bool:
    return any(
        gateway.spec.selector and gateway.spec.selector.items() <= workload.labels.items()
        for gateway in resources.gateways
    )


def _asked_for(resources: Resources) -> Iterator[_Asked]:
    """Give the labels of clients that rules ask for, with their namespace; empty: any."""
    for rule in resources.destination_rules:
        selector = rule.spec.workload_selector
        if selector is not None:
            where = rule.position(("spec", "workloadSelector"))
            yield _Asked(rule.namespace, _pairs(selector.match_labels), where)
    for service in resources.virtual_services:
        rules: dict[str, tuple[_Rule, ...]] = {
            "http": service.spec.http,
            "tls": service.spec.tls,
            "tcp": service.spec.tcp,
        }
        for kind, routes in rules.items():
            for index, route in enumerate(routes):
                matches: tuple[_Match, ...] = route.match
                for number, match in enumerate(matches):
                    if match.source_labels or match.source_namespace:
                        where = service.position(("spec", kind, index, "match", number))
                        yield _Asked(match.source_namespace, _pairs(match.source_labels), where)


def _pairs(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _special_namespaces(resources: Resources) -> set[str]:
    """Give the namespaces that have resources of Istio, or that one is exported to or asks for."""
    found = {each.namespace for each in _istio(resources)}
    for each in _istio(resources):
        found |= set(getattr(each.spec, "export_to", ()))
    return found | {each.namespace for each in _asked_for(resources)}


def _client_namespaces(resources: Resources, gateways: Mapping[str, Proxy]) -> dict[str, Position | None]:
    """Give the namespaces whose clients see something of their own, with the resource that says so.

    Those of gateways hold no clients unless a resource of theirs is about sidecars.
    """
    of_gateways = {proxy.namespace for proxy in gateways.values()}
    found: dict[str, Position | None] = {}
    for each in sorted(_istio(resources), key=lambda resource: resource.order):
        if each.kind == "Gateway" or _is_for_gateways_alone(each):
            continue
        if each.namespace in found or each.namespace in of_gateways or each.namespace in _SYSTEM:
            continue
        # Finding a line costs time: once for each namespace, not for each resource.
        found[each.namespace] = each.position(("metadata",))
    for each in sorted(_istio(resources), key=lambda resource: resource.order):
        for name in getattr(each.spec, "export_to", ()):
            if name not in _WORDS and name not in of_gateways and name not in found:
                found[name] = each.position(("spec", "exportTo"))
    for asked in _asked_for(resources):
        if asked.namespace and not asked.labels:
            found.setdefault(asked.namespace, asked.where)
    return found or {DEFAULT_NAMESPACE: None}


def _istio(resources: Resources) -> tuple[Resource[Any], ...]:
    return (
        *resources.virtual_services,
        *resources.destination_rules,
        *resources.service_entries,
        *resources.gateways,
    )


def _is_for_gateways_alone(resource: Resource[Any]) -> bool:
    gateways = getattr(resource.spec, "gateways", ()) if resource.kind == "VirtualService" else ()
    return bool(gateways) and MESH not in gateways
