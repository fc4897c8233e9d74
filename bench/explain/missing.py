"""Why a cluster that a route names does not exist for a proxy, and what would bring it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.explain.messages import MissingCase
from bench.explain.proxies import Proxies, TranslatedProxy
from bench.explain.rules import FateCode, fate_of, rules_for
from bench.istio.cluster_names import ClusterName, parse_cluster_name
from bench.istio.registry import Service
from bench.message import Message, say


def why_missing(here: TranslatedProxy, proxies: Proxies, name: str) -> Message:
    """Say which part of a cluster's name leads nowhere for this proxy: the second half of a sentence."""
    named = parse_cluster_name(name)
    if named is None:
        return say(MissingCase.NEEDS_INTERCEPTION)
    declared = [service for service in proxies.registry.services if service.host == named.host]
    if not declared:
        return say(MissingCase.UNDECLARED, host=named.host)
    namespace = here.proxy.namespace
    seen = [service for service in declared if service.is_visible_in(namespace)]
    if not seen:
        return say(
            MissingCase.NOT_EXPORTED,
            host=named.host,
            namespace=namespace,
            proxy=here.name,
            owner=_title(declared[0]),
            place=declared[0].where,
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
    return say(MissingCase.NO_ENDPOINT)


def _title(service: Service) -> str:
    return f"{service.origin.value} {service.namespace}/{service.name}"


def _no_port(
    here: TranslatedProxy, named: ClusterName, declared: Sequence[Service], has: Sequence[int]
) -> Message:
    port, ports = named.port, say(MissingCase.WITHOUT_PORT, port=named.port)
    if has:
        case = MissingCase.ONE_PORT if len(has) == 1 else MissingCase.MORE_PORTS
        ports = say(case, has=tuple(has), port=port)
    having = [service for service in declared if service.port(port) is not None]
    if not having:
        return say(MissingCase.NO_PORT, proxy=here.name, host=named.host, ports=ports, port=port)
    other = having[0]
    return say(
        MissingCase.PORT_REPLACED,
        proxy=here.name,
        host=named.host,
        ports=ports,
        other=_title(other),
        place=next(other.locate_port(each)() for each in other.ports if each.number == port),
    )


def _no_subset(here: TranslatedProxy, named: ClusterName, has: Sequence[str]) -> Message:
    proxy, host, subset = here.name, named.host, named.subset
    subsets = say(MissingCase.NO_SUBSETS, subset=subset)
    if has:
        subsets = say(MissingCase.OTHER_SUBSETS, has=tuple(has), subset=subset)
    service = here.view.service(host)
    rules = list(rules_for(here.view, host)) if service is not None else []
    defining = [rule for rule in rules if any(each.name == subset for each in rule.spec.subsets)]
    if not defining or service is None:
        return say(MissingCase.SUBSET_UNDEFINED, proxy=proxy, host=host, subsets=subsets, subset=subset)
    rule = defining[0]
    fate = fate_of(here.view, service, rule)
    title, place = rule.title, rule.position(("spec", "subsets"))
    if fate.code is FateCode.IN_FORCE:
        return say(
            MissingCase.SUBSET_WITHOUT_EFFECT,
            proxy=proxy,
            host=host,
            subsets=subsets,
            rule=title,
            place=place,
        )
    return say(
        MissingCase.SUBSET_OUT_OF_FORCE,
        proxy=proxy,
        host=host,
        subsets=subsets,
        rule=title,
        place=place,
        fate=fate.message,
    )
