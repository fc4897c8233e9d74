"""What is accepted as a ServiceEntry.

Source: the CEL rules of the custom resource definition, and istio ``ValidateServiceEntry``.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.istio.hosts import is_ip
from bench.istio.models import ServiceEntry, ServiceEntrySelector
from bench.istio.validation.export_to import check_export_to
from bench.istio.validation.findings import Findings
from bench.istio.validation.names import (
    check_dns_label,
    check_fqdn,
    check_labels,
    check_partial_wildcard,
    check_subnet,
    check_wildcard_domain,
)
from bench.istio.validation.ports import KNOWN_PROTOCOLS, check_port, protocol_family
from bench.istio.validation.workload_entry import check_port_names, check_workload_entry
from bench.istio.validation.workload_entry import check_schema as check_endpoint_schema

_AUTO_ALLOCATE = "networking.istio.io/enable-autoallocate-ip"
_USE_WAYPOINT = "istio.io/use-waypoint"
_BY_NAME = ("DNS", "DNS_ROUND_ROBIN")
_DYNAMIC_PROTOCOLS = ("http", "http2", "grpc", "tls")


def check_schema(entry: ServiceEntry, findings: Findings) -> None:
    """Collect what the API server refuses: it asks which fields are written, not what they hold."""
    written = entry.model_fields_set
    if "workload_selector" in written and "endpoints" in written:
        findings.refuse("only one of workloadSelector and endpoints may be set", "endpoints", stage="schema")
    has_subnet = any("/" in address for address in entry.addresses)
    if has_subnet and entry.resolution not in ("NONE", "STATIC"):
        findings.refuse("subnets go with resolution NONE or STATIC only", "addresses", stage="schema")
    if entry.resolution == "NONE" and "endpoints" in written:
        findings.refuse("resolution NONE (or none written) has no endpoints", "endpoints", stage="schema")
    if entry.resolution == "DNS_ROUND_ROBIN" and len(entry.endpoints) > 1:
        findings.refuse("DNS_ROUND_ROBIN has one endpoint at most", "endpoints", stage="schema")
    _check_port_numbers_and_names(entry, findings)
    _check_stars(entry, findings)
    for index, endpoint in enumerate(entry.endpoints):
        check_endpoint_schema(endpoint, findings.within("endpoints", index))


def _check_stars(entry: ServiceEntry, findings: Findings) -> None:
    for index, host in enumerate(entry.hosts):
        if host == "*":
            findings.refuse("a host cannot be the bare star", "hosts", index, stage="schema")
    if entry.workload_selector is not None:
        for key, value in entry.workload_selector.labels.items():
            if "*" in value:
                path = ("workloadSelector", "labels", key)
                findings.refuse("a selector has no star", *path, stage="schema")


def _check_port_numbers_and_names(entry: ServiceEntry, findings: Findings) -> None:
    names: set[str] = set()
    numbers: set[int] = set()
    for index, port in enumerate(entry.ports):
        findings.refuse(check_port(port.number), "ports", index, "number", stage="schema")
        if port.target_port is not None:
            findings.refuse(check_port(port.target_port), "ports", index, "targetPort", stage="schema")
        if port.name in names:
            findings.refuse(
                f'the port name "{port.name}" is repeated', "ports", index, "name", stage="schema"
            )
        if port.number in numbers:
            findings.refuse(f"the port {port.number} is repeated", "ports", index, "number", stage="schema")
        names.add(port.name)
        numbers.add(port.number)


def check_service_entry(
    entry: ServiceEntry, namespace: str, labels: Mapping[str, str], findings: Findings
) -> None:
    """Collect what istiod refuses."""
    _check_selector(entry.workload_selector, findings.within("workloadSelector", "labels"))
    _check_hosts_and_addresses(entry, findings)
    _check_ports(entry, labels, findings)
    match entry.resolution:
        case "NONE":
            _warn_about_selector(entry, findings)
        case "STATIC":
            port_names = {port.name for port in entry.ports}
            for index, endpoint in enumerate(entry.endpoints):
                inner = findings.within("endpoints", index)
                check_workload_entry(endpoint, inner, service_ports=port_names, may_be_name=False)
        case "DYNAMIC_DNS":
            _check_dynamic(entry, labels, findings)
        case _:
            _check_by_name(entry, findings)
    _check_several_hosts(entry, findings)
    check_export_to(entry.export_to, namespace, findings, may_be_no_one=True)


def _check_hosts_and_addresses(entry: ServiceEntry, findings: Findings) -> None:
    for index, host in enumerate(entry.hosts):
        findings.refuse(check_wildcard_domain(host), "hosts", index)
        if (partial := check_partial_wildcard(host)) is not None:
            findings.warn(partial, "hosts", index)
    for index, address in enumerate(entry.addresses):
        findings.refuse(check_subnet(address), "addresses", index)


def _check_several_hosts(entry: ServiceEntry, findings: Findings) -> None:
    """HTTP has the authority and TLS the server name to distinguish hosts; plain TCP has nothing."""
    if entry.resolution != "NONE" and len(entry.hosts) > 1:
        for index, port in enumerate(entry.ports):
            if protocol_family(port.protocol) not in ("http", "tls"):
                findings.refuse(
                    "several hosts cannot share a port that is neither HTTP nor TLS",
                    "ports",
                    index,
                    remedy="Write a ServiceEntry for each host, or resolution NONE.",
                )
                break


def _check_selector(selector: ServiceEntrySelector | None, findings: Findings) -> None:
    if selector is None:
        return
    for key, value in selector.labels.items():
        if not key:
            findings.refuse("a selector key is not empty", key)
        if "*" in key or "*" in value:
            findings.refuse("a selector has no star", key)
    if not selector.labels:
        findings.warn("a selector without labels selects every workload of the namespace")


def _check_ports(entry: ServiceEntry, labels: Mapping[str, str], findings: Findings) -> None:
    gets_address = (
        entry.resolution != "NONE" and labels.get(_AUTO_ALLOCATE, "").lower() != "false"
    ) or entry.addresses
    for index, port in enumerate(entry.ports):
        inner = findings.within("ports", index)
        inner.refuse(check_dns_label(port.name, "port name"), "name")
        if port.protocol and protocol_family(port.protocol) is None:
            inner.refuse(f'"{port.protocol}" is not a known protocol; known: {KNOWN_PROTOCOLS}', "protocol")
        if not gets_address and port.protocol in ("", "TCP"):
            inner.warn("a TCP port needs addresses when none are allocated")


def _warn_about_selector(entry: ServiceEntry, findings: Findings) -> None:
    if entry.workload_selector is not None:
        findings.warn(
            f"a workloadSelector has no effect with resolution {entry.resolution}", "workloadSelector"
        )


def _check_dynamic(entry: ServiceEntry, labels: Mapping[str, str], findings: Findings) -> None:
    if entry.endpoints:
        findings.refuse("DYNAMIC_DNS has no endpoints: the host itself is looked up", "endpoints")
    for index, port in enumerate(entry.ports):
        if port.protocol.lower() not in _DYNAMIC_PROTOCOLS:
            findings.refuse(
                "DYNAMIC_DNS goes with HTTP, HTTP2, GRPC and TLS only", "ports", index, "protocol"
            )
    for index, host in enumerate(entry.hosts):
        if not host.startswith("*"):
            findings.refuse("DYNAMIC_DNS goes with wildcard hosts only", "hosts", index)
    if entry.addresses:
        findings.refuse("DYNAMIC_DNS has no addresses: clients look the name up themselves", "addresses")
    if entry.location == "MESH_INTERNAL" and labels.get(_USE_WAYPOINT, "none") != "none":
        findings.refuse("MESH_INTERNAL with DYNAMIC_DNS cannot use a waypoint", "location")


def _check_by_name(entry: ServiceEntry, findings: Findings) -> None:
    if not entry.endpoints:
        for index, host in enumerate(entry.hosts):
            if check_fqdn(host) is not None:
                findings.refuse(
                    f'"{host}": {entry.resolution} without endpoints needs whole DNS names',
                    "hosts",
                    index,
                    remedy="Name endpoints to resolve, or write resolution NONE or DYNAMIC_DNS.",
                )
    port_names = {port.name for port in entry.ports}
    for index, endpoint in enumerate(entry.endpoints):
        inner = findings.within("endpoints", index)
        if not is_ip(endpoint.address) and check_fqdn(endpoint.address) is not None:
            inner.refuse(f'"{endpoint.address}" is neither a DNS name nor an IP address', "address")
        check_labels(endpoint.labels, inner.within("labels"))
        check_port_names(endpoint, port_names, inner)
    is_tcp = (protocol_family(port.protocol) in ("tcp", "tls") for port in entry.ports)
    if entry.addresses and len(entry.hosts) > 1 and any(is_tcp):
        findings.warn("one address and TCP port cannot distinguish several hosts", "hosts")
