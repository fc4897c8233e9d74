"""What a scenario says of the certificates of the servers that it plays: nodes, and gateways that end TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.explain import ServerCertificate
from bench.istio.registry import Registry
from bench.preparation.served import served_names
from bench.scenario import Scenario
from bench.scenario.servers import node_names


def known_certificates(scenario: Scenario, registry: Registry, folder: Path) -> dict[str, ServerCertificate]:
    """Give what is known by address (``host:port``).

    Args:
        scenario: the scenario.
        registry: its resources and inventory.
        folder: what the names of own files are relative to.
    """
    found = {
        each.address: ServerCertificate(f"the node {each.node}", each.names) for each in node_names(scenario)
    }
    for address, certificate in _gateways(scenario, registry, folder):
        # Where servers of one port have several certificates, SNI decides: any of the names may do.
        found[address] = (
            certificate
            if address not in found or found[address] == certificate
            else ServerCertificate(certificate.owner, (*found[address].names, *certificate.names))
        )
    return found


def _gateways(
    scenario: Scenario, registry: Registry, folder: Path
) -> Iterator[tuple[str, ServerCertificate]]:
    hosts = served_names(registry)
    if not hosts:
        return
    from bench.preparation.credentials import server_names  # noqa: PLC0415 - brings the cryptography library

    for gateway in registry.gateways:
        for server in gateway.spec.servers:
            named = server.tls.credential_name if server.tls is not None else ""
            names = server_names(scenario, folder, named, hosts[named]) if named in hosts else None
            if names is None:
                continue
            for proxy_name, proxy in registry.inventory.proxies.items():
                if proxy.role != "gateway" or not gateway.spec.selector.items() <= proxy.labels.items():
                    continue
                for port in _ports(registry, proxy.ip, server.port.number):
                    yield f"{proxy.ip}:{port}", ServerCertificate(f"the gateway {proxy_name}", names)


def _ports(registry: Registry, ip: str, number: int) -> set[int]:
    """The ports on which the gateway at *ip* listens for what its Services call *number*."""
    found = {
        endpoint.port
        for endpoints in registry.endpoints_by_host.values()
        for service, endpoint in endpoints
        if endpoint.address == ip
        and (declared := service.port(number)) is not None
        and declared.name == endpoint.port_name
    }
    return found or {number}
