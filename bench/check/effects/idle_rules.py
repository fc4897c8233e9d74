"""Rules of VirtualServices that no listener of any proxy ever asks (EB0112)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.check.effects.survey import Survey
from bench.check.finding import Finding, Level, finding
from bench.check.messages import EffectCase
from bench.errors import Position
from bench.explain import TranslatedProxy
from bench.istio.hosts import MESH, expand_gateway, expand_host, overlap
from bench.istio.models import HTTPRoute, TCPRoute, TLSRoute, VirtualService
from bench.istio.registry import Protocol, Service, is_exported
from bench.istio.resource import Resource
from bench.message import Message, say

_Rule = HTTPRoute | TLSRoute | TCPRoute


def check_idle_rules(found: Survey) -> Iterator[Finding]:
    """Report each rule from which no proxy got a route or a filter chain.

    Only where every proxy that could ask it is known and translated: a rule for other workloads (by labels or
    namespace), or for gateways that the inventory lacks, may be asked elsewhere. What the analyzer says
    of rules behind others (IST0130) is not said again.
    """
    if found.untranslated:
        return
    used = _used(found)
    for resource in found.resources.virtual_services:
        if not resource.spec.hosts:
            continue
        for kind, rules in _kinds(resource.spec):
            places = [resource.position(("spec", kind, index)) for index in range(len(rules))]
            times = Counter(places)
            idle = [
                index
                for index, rule in enumerate(rules)
                if places[index] not in used and times[places[index]] == 1 and _is_asked_for(rule)
            ]
            # An HTTP rule beside one that is in use may be behind it: then only its ports distinguish them.
            is_beside = kind == "http" and any(place in used for place in places)
            for index in idle:
                if is_beside and not any(match.port for match in rules[index].match):
                    continue
                asking = _askers(found, resource, rules[index])
                cause = _cause(found, resource, kind, rules[index], asking)
                if cause is not None:
                    yield finding(
                        Level.WARNING,
                        "EB0112",
                        resource,
                        ("spec", kind, index),
                        say(
                            EffectCase.RULE_IDLE,
                            proxies=tuple(each.name for each in asking),
                            kind=kind,
                            cause=cause,
                        ),
                    )


def _kinds(spec: VirtualService) -> tuple[tuple[str, Sequence[_Rule]], ...]:
    return ("http", spec.http), ("tls", spec.tls), ("tcp", spec.tcp)


def _used(found: Survey) -> frozenset[Position]:
    places: set[Position] = set()
    for here in found.translated:
        hosts = [host for config in here.config.routes for host in config.virtual_hosts]
        messages = [route for host in hosts for route in host.routes]
        chains = [chain for listener in here.config.listeners for chain in listener.filter_chains]
        chains += [
            listener.default_filter_chain
            for listener in here.config.listeners
            if listener.default_filter_chain is not None
        ]
        for message in (*messages, *chains):
            place = here.config.origins.first(message, "rule")
            if place is not None:
                places.add(place)
    return frozenset(places)


def _is_asked_for(rule: _Rule) -> bool:
    """Tell whether the rule speaks to every workload, and is not a delegation."""
    if isinstance(rule, HTTPRoute) and rule.delegate is not None:
        return False
    return not any(match.source_labels or match.source_namespace for match in rule.match)


def _gateways(resource: Resource[VirtualService], rule: _Rule) -> list[str]:
    """Name what the *rule* is bound to: what all of its matches say, else what the VirtualService says."""
    if rule.match and all(match.gateways for match in rule.match):
        names = [name for match in rule.match for name in match.gateways]
    else:
        names = list(resource.spec.gateways)
    return [expand_gateway(name, resource.namespace) for name in names] or [MESH]


def _askers(found: Survey, resource: Resource[VirtualService], rule: _Rule) -> list[TranslatedProxy]:
    """Give the proxies to which *rule* is bound and exported."""
    names = _gateways(resource, rule)
    export_to = frozenset(resource.spec.export_to)
    asking: list[TranslatedProxy] = []
    for here in found.translated:
        if not is_exported(export_to, resource.namespace, here.proxy.namespace):
            continue
        if here.is_sidecar:
            is_bound = MESH in names
        else:
            is_bound = any(
                f"{gateway.namespace}/{gateway.name}" in names
                and gateway.spec.selector.items() <= here.proxy.labels.items()
                for gateway in found.resources.gateways
            )
        if is_bound:
            asking.append(here)
    return asking


def _cause(
    found: Survey,
    resource: Resource[VirtualService],
    kind: str,
    rule: _Rule,
    asking: Sequence[TranslatedProxy],
) -> Message | None:
    """Say why no listener asks the rule; None where there is nobody who could."""
    if not asking:
        return None
    if not all(here.is_sidecar for here in asking):
        return _at_gateways(found, _gateways(resource, rule), kind, asking)
    domain = found.registry.inventory.domain
    hosts = [expand_host(host, resource.namespace, domain) for host in resource.spec.hosts]
    services = {
        service.host: service
        for here in asking
        for service in here.view.services
        if any(overlap(host, service.host) for host in hosts)
    }
    wanted = sorted({match.port for match in rule.match if match.port})
    return _at_sidecars(kind, hosts, list(services.values()), wanted)


def _at_gateways(
    found: Survey, names: Sequence[str], kind: str, asking: Sequence[TranslatedProxy]
) -> Message | None:
    if any(here.is_sidecar for here in asking):
        return None
    kinds: set[str] = set()
    for gateway in found.resources.gateways:
        if f"{gateway.namespace}/{gateway.name}" not in names:
            continue
        for server in gateway.spec.servers:
            mode = server.tls.mode if server.tls is not None else None
            protocol = server.port.protocol.upper()
            if protocol in {"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS"} and mode != "PASSTHROUGH":
                kinds.add("http")
            else:
                kinds.add("tls" if mode in {"PASSTHROUGH", "AUTO_PASSTHROUGH"} else "tcp")
    if not kinds or kind in kinds:
        return None
    return say(
        EffectCase.SERVERS_ASK_OTHERS, gateways=tuple(names), kinds=tuple(sorted(kinds)), kind=min(kinds)
    )


def _at_sidecars(
    kind: str, hosts: Sequence[str], services: Sequence[Service], wanted: Sequence[int]
) -> Message | None:
    names = tuple(hosts)
    if not services:
        if wanted:
            return say(EffectCase.HOST_AND_PORT_UNDECLARED, hosts=names, ports=tuple(wanted))
        return say(
            EffectCase.HOST_UNDECLARED_PORT_80 if kind == "http" else EffectCase.HOST_UNDECLARED, hosts=names
        )
    ports = [(service, port) for service in services for port in service.ports]
    if not ports:
        return say(EffectCase.HOST_WITHOUT_PORTS, hosts=names)
    meant = [(service, port) for service, port in ports if not wanted or port.number in wanted]
    if not meant:
        having = tuple(sorted({port.number for _, port in ports}))
        return say(
            EffectCase.HOST_WITHOUT_PORT, hosts=names, wanted=tuple(wanted), ports=having, first=wanted[0]
        )
    if any(port.protocol is Protocol.UNKNOWN or _kind_of(port.protocol) == kind for _, port in meant):
        return None
    written = tuple(
        say(EffectCase.PORT_AND_PROTOCOL, port=port.number, protocol=port.protocol.value) for _, port in meant
    )
    asked = tuple(sorted({_kind_of(port.protocol) for _, port in meant}))
    return say(EffectCase.PORTS_ASK_OTHERS, hosts=names, ports=written, kinds=asked, kind=asked[0])


def _kind_of(protocol: Protocol) -> str:
    if protocol.is_http:
        return "http"
    return "tls" if protocol.is_tls else "tcp"
