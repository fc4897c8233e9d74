"""Ports of Kubernetes Services whose names say no protocol (IST0118, IST0150).

Source of the rules: istio ``service/portname.go`` and ``pkg/config/kube/conversion.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.istio.models import Service, ServicePort
from bench.istio.resource import Resource
from bench.message import say

SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
_PROTOCOLS = frozenset(
    {
        "tcp",
        "udp",
        "grpc",
        "grpc-web",
        "http",
        "http_proxy",
        "http2",
        "https",
        "tls",
        "mongo",
        "redis",
        "mysql",
    }
)
_WELL_KNOWN_PORTS = frozenset({25, 53, 3306, 27017})
_APP_PROTOCOLS = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}


def check_port_names(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0118 for a name that is not ``protocol[-suffix]``, IST0150 in a Service of type ExternalName."""
    for service in surroundings.resources.services:
        if service.namespace in SYSTEM_NAMESPACES or _is_control_plane(service):
            continue
        is_alias = service.spec.type == "ExternalName"
        for index, port in enumerate(service.spec.ports):
            if says_protocol(port) and not (is_alias and port.name == "tcp"):
                continue
            yield _alias(service, index) if is_alias else _unnamed(service, index, port)


def _is_control_plane(service: Resource[Service]) -> bool:
    return "istio" in service.labels or service.labels.get("release") == "istio"


def says_protocol(port: ServicePort) -> bool:
    """Tell whether Istio reads a protocol from *port* or knows one for its number."""
    if port.protocol == "UDP":
        return True
    name = port.app_protocol or port.name
    name = _APP_PROTOCOLS.get(name.lower(), name).lower()
    if name.startswith("grpc-web"):
        return True
    return name.partition("-")[0] in _PROTOCOLS or port.port in _WELL_KNOWN_PORTS


def _unnamed(service: Resource[Service], index: int, port: ServicePort) -> Finding:
    if port.name:
        message = say(RuleCase.PORT_NAME_SAYS_NOTHING, port=port.port, name=port.name)
    else:
        message = say(RuleCase.PORT_WITHOUT_NAME, port=port.port)
    return finding(
        Level.INFO,
        "IST0118",
        service,
        ("spec", "ports", index, "name"),
        message,
    )


def _alias(service: Resource[Service], index: int) -> Finding:
    return finding(
        Level.WARNING,
        "IST0150",
        service,
        ("spec", "ports", index, "name"),
        say(RuleCase.ALIAS_PORT),
    )
