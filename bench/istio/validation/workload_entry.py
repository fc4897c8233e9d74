"""What is accepted as a WorkloadEntry, alone or as an endpoint of a ServiceEntry.

Source: the CEL rules of the custom resource definition, and istio ``validateWorkloadEntry``.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from bench.istio.hosts import is_ip
from bench.istio.models import WorkloadEntry
from bench.istio.validation.findings import Findings
from bench.istio.validation.names import (
    UNIX_PREFIX,
    check_dns_label,
    check_fqdn,
    check_labels,
    check_unix_path,
    is_dns_label,
)
from bench.istio.validation.ports import check_port

_PORT_NAME_BELOW = 63


def check_schema(entry: WorkloadEntry, findings: Findings) -> None:
    """Collect what the API server refuses: it asks which fields are written, not what they hold."""
    written = entry.model_fields_set
    if "address" not in written and "network" not in written:
        findings.refuse("an address is required", "address", stage="schema")
    if entry.address.startswith(UNIX_PREFIX):
        path = entry.address.removeprefix(UNIX_PREFIX)
        if not path.startswith(("/", "@")):
            findings.refuse("a socket has an absolute path or begins with @", "address", stage="schema")
        if path.endswith("/"):
            findings.refuse("a socket is not a folder", "address", stage="schema")
        if "ports" in written:
            findings.refuse("a socket has no ports", "ports", stage="schema")
    for name, number in entry.ports.items():
        findings.refuse(check_port(number), "ports", name, stage="schema")
        if len(name) >= _PORT_NAME_BELOW or not is_dns_label(name):
            findings.refuse(f'"{name}" is not a port name', "ports", name, stage="schema")


def check_workload_entry(
    entry: WorkloadEntry,
    findings: Findings,
    *,
    service_ports: AbstractSet[str] | None = None,
    may_be_name: bool = True,
) -> None:
    """Collect what istiod refuses; *service_ports*: the port names of its ServiceEntry, if there is one."""
    address = entry.address
    if not address:
        if not entry.network:
            findings.refuse("an address is required", "address")
            return
        findings.warn(f'there is no address, only the network "{entry.network}"', "network")
    is_socket = address.startswith(UNIX_PREFIX)
    if is_socket:
        findings.refuse(check_unix_path(address.removeprefix(UNIX_PREFIX)), "address")
        if entry.ports:
            findings.refuse("a socket has no ports", "ports")
    elif address and not is_ip(address):
        if not may_be_name:
            findings.refuse(f'"{address}" is not an IP address', "address")
        elif check_fqdn(address) is not None:
            findings.refuse(f'"{address}" is neither a DNS name nor an IP address', "address")
    check_port_names(entry, service_ports, findings)
    check_labels(entry.labels, findings.within("labels"))
    if is_socket and service_ports is not None and len(service_ports) != 1:
        findings.refuse("a socket goes with exactly one service port", "address")


def check_port_names(
    entry: WorkloadEntry, service_ports: AbstractSet[str] | None, findings: Findings
) -> None:
    """Refuse port names that are not labels, or not those of the service."""
    for name in entry.ports:
        if service_ports is not None and name not in service_ports:
            known = ", ".join(sorted(service_ports))
            findings.refuse(
                f'the service has no port "{name}"', "ports", name, remedy=f"Its ports are {known}."
            )
        findings.refuse(check_dns_label(name, "port name"), "ports", name)
