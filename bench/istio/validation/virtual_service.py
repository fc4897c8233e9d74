"""What is accepted as a VirtualService. Source: istio ``ValidateVirtualService``."""

from __future__ import annotations

from collections.abc import Sequence

from bench.istio.hosts import MESH, covers, is_ip, overlap
from bench.istio.models import (
    L4MatchAttributes,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)
from bench.istio.validation.export_to import check_export_to
from bench.istio.validation.findings import Findings
from bench.istio.validation.headers import is_claim
from bench.istio.validation.http_route import check_http_route
from bench.istio.validation.names import (
    check_gateway_bound_domain,
    check_labels,
    check_subnet,
    check_wildcard_domain,
)
from bench.istio.validation.ports import check_port
from bench.istio.validation.routes import check_gateways, check_weights
from bench.istio.validation.unused_rules import warn_about_unused_rules


def check_virtual_service(service: VirtualService, namespace: str, findings: Findings) -> None:
    """Collect what istiod refuses."""
    is_delegate = not service.hosts
    if is_delegate:
        for field, rules in (("gateways", service.gateways), ("tls", service.tls), ("tcp", service.tcp)):
            if rules:
                findings.refuse(f"a VirtualService without hosts is a delegate and has no {field}", field)
    check_gateways(service.gateways, findings)
    for_gateways = bool(service.gateways) and MESH not in service.gateways
    if not for_gateways:
        _refuse_claims(service, findings)
    _check_hosts(service, findings, for_gateways=for_gateways)
    if not (service.http or service.tcp or service.tls):
        findings.refuse("a VirtualService has http, tls or tcp rules")
    for index, route in enumerate(service.http):
        check_http_route(route, findings.within("http", index), is_delegate=is_delegate)
    for index, tls_route in enumerate(service.tls):
        _check_tls_route(tls_route, service, findings.within("tls", index))
    for index, tcp_route in enumerate(service.tcp):
        _check_tcp_route(tcp_route, findings.within("tcp", index))
    check_export_to(service.export_to, namespace, findings)
    warn_about_unused_rules(service, findings)


def _refuse_claims(service: VirtualService, findings: Findings) -> None:
    for index, route in enumerate(service.http):
        for number, match in enumerate(route.match):
            for field, headers in (("headers", match.headers), ("withoutHeaders", match.without_headers)):
                for name in filter(is_claim, headers):
                    path = ("http", index, "match", number, field, name)
                    findings.refuse("a match on a token's claim is for gateways only", *path)


def _check_hosts(service: VirtualService, findings: Findings, *, for_gateways: bool) -> None:
    has_sni = any(match.sni_hosts for route in service.tls for match in route.match)
    before = len(findings.refusals)
    for index, host in enumerate(service.hosts):
        if for_gateways:
            wrong = check_gateway_bound_domain(host, is_sni=has_sni)
        else:
            wrong = check_wildcard_domain(host)
        if wrong is not None:
            if not is_ip(host):
                findings.refuse(wrong, "hosts", index)
        elif host == "*" and not for_gateways:
            findings.refuse("the star host is for gateways only", "hosts", index)
    if len(findings.refusals) == before:
        _refuse_overlaps(service.hosts, findings)


def _refuse_overlaps(hosts: Sequence[str], findings: Findings) -> None:
    for index, host in enumerate(hosts):
        for earlier in hosts[:index]:
            if overlap(earlier, host):
                findings.refuse(f'"{host}" overlaps with "{earlier}"', "hosts", index)


def _check_tls_route(route: TLSRoute, service: VirtualService, findings: Findings) -> None:
    if not route.match:
        findings.refuse("a tls rule has at least one match", "match")
    for index, match in enumerate(route.match):
        inner = findings.within("match", index)
        if not match.sni_hosts:
            inner.refuse("a tls match has at least one server name", "sniHosts")
        for number, name in enumerate(match.sni_hosts):
            _check_sni(name, service, inner.within("sniHosts", number))
        _check_connection(match, inner)
    if not route.route:
        findings.refuse("a tls rule has a route", "route")
    check_weights(route.route, findings)


def _check_sni(name: str, service: VirtualService, findings: Findings) -> None:
    if MESH in service.gateways:
        wrong = check_wildcard_domain(name)
    else:
        wrong = check_gateway_bound_domain(name, is_sni=True)
    if wrong is not None:
        if is_ip(name):
            findings.warn(f"{name} is an address: most clients do not send an address as server name")
        else:
            findings.refuse(wrong)
    elif not any(covers(host, name) for host in service.hosts):
        findings.refuse(f'"{name}" lies within none of the hosts: {", ".join(service.hosts)}')


def _check_tcp_route(route: TCPRoute, findings: Findings) -> None:
    for index, match in enumerate(route.match):
        _check_connection(match, findings.within("match", index))
    if not route.route:
        findings.refuse("a tcp rule has a route", "route")
    check_weights(route.route, findings)


def _check_connection(match: TLSMatchAttributes | L4MatchAttributes, findings: Findings) -> None:
    for index, subnet in enumerate(match.destination_subnets):
        findings.refuse(check_subnet(subnet), "destinationSubnets", index)
    if match.port:
        findings.refuse(check_port(match.port), "port")
    check_labels(match.source_labels, findings.within("sourceLabels"))
    check_gateways(match.gateways, findings)
