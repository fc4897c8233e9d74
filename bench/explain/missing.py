"""Why a cluster that a route names does not exist for a proxy, and what would bring it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.explain.proxies import Proxies, TranslatedProxy
from bench.explain.rules import FateCode, fate_of, rules_for
from bench.istio.cluster_names import ClusterName, parse_cluster_name
from bench.istio.registry import Service


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no such cluster."""

    text: str
    """The second half of a sentence: no capital, no full stop."""
    remedy: str


def why_missing(here: TranslatedProxy, proxies: Proxies, name: str) -> Missing:
    """Say which part of a cluster's name leads nowhere for this proxy."""
    named = parse_cluster_name(name)
    if named is None:
        return Missing(
            "only a proxy with interception knows where the client wanted to go",
            "Set interception to redirect, or outbound to REGISTRY_ONLY.",
        )
    declared = [service for service in proxies.registry.services if service.host == named.host]
    if not declared:
        return Missing(
            f"no Service and no ServiceEntry has the host {named.host}", "Declare the host in a ServiceEntry."
        )
    namespace = here.proxy.namespace
    seen = [service for service in declared if service.is_visible_in(namespace)]
    if not seen:
        owner = declared[0]
        return Missing(
            f"{named.host} is not exported to the namespace {namespace} of {here.name}",
            f"Add {namespace} to exportTo of {owner.origin.value} {owner.namespace}/{owner.name} "
            f"({owner.where}).",
        )
    # Not the clusters that the proxy has: with `clusters: reachable` they are only those in use.
    service = here.view.service(named.host)
    ports = sorted({port.number for port in service.ports}) if service is not None else []
    if named.port not in ports or service is None:
        return _no_port(here, named, declared, ports)
    merged = here.view.rule(service)
    subsets = sorted(subset.name for subset in merged.rule.subsets) if merged is not None else []
    if named.subset and named.subset not in subsets:
        return _no_subset(here, named, subsets)
    return Missing(
        "the service has no endpoint, and a cluster by DNS is not made without one",
        "Name endpoints of the service.",
    )


def _no_port(
    here: TranslatedProxy, named: ClusterName, declared: Sequence[Service], ports: Sequence[int]
) -> Missing:
    having = [service for service in declared if service.port(named.port) is not None]
    text = f"for {here.name}, {named.host} has " + (
        f"{_numbered(ports)}, not {named.port}" if ports else f"no port {named.port}"
    )
    if not having:
        return Missing(text, f"Use a port that it has, or add {named.port} to it.")
    other = having[0]
    place = next(other.locate_port(each)() for each in other.ports if each.number == named.port)
    text += (
        f"; {other.origin.value} {other.namespace}/{other.name} ({place}) has it, but a Kubernetes Service "
        "of the same host takes its place"
    )
    return Missing(text, "Give the ServiceEntry a host of its own, or remove the Service.")


def _no_subset(here: TranslatedProxy, named: ClusterName, subsets: Sequence[str]) -> Missing:
    listed = f"has the subsets {', '.join(subsets)}" if subsets else "has no subsets"
    text = f"for {here.name}, {named.host} {listed}, not {named.subset}: "
    service = here.view.service(named.host)
    rules = list(rules_for(here.view, named.host)) if service is not None else []
    defining = [rule for rule in rules if any(each.name == named.subset for each in rule.spec.subsets)]
    if not defining or service is None:
        return Missing(
            f"{text}no DestinationRule defines it", f"Define the subset {named.subset} in a DestinationRule."
        )
    rule = defining[0]
    fate = fate_of(here.view, service, rule)
    place = rule.position(("spec", "subsets"))
    if fate.code is FateCode.IN_FORCE:
        return Missing(f"{text}{rule.title} ({place}) defines it, without effect", "Define it once.")
    return Missing(f"{text}{rule.title} ({place}) defines it, but {fate.text}", fate.remedy)


def _numbered(ports: Sequence[int]) -> str:
    written = ", ".join(map(str, ports))
    return f"port {written}" if len(ports) == 1 else f"the ports {written}"
