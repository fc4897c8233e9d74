"""The listener of a sidecar for one port: which rules of which VirtualService hold for which host.

Sources: VirtualService in Istio's API reference (hosts, gateways, exportTo), "Protocol Selection" and
"outboundTrafficPolicy" in Istio's documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.istio.inventory import Inventory, Proxy
from bench.istio.models import VirtualService
from bench.istio.resource import Resource
from bench.routing.catalog import KnownServices
from bench.routing.clusters import Clusters
from bench.routing.conditions import ANYTHING
from bench.routing.delegates import WrittenRule
from bench.routing.hosts import HostTable, VirtualHost, aliases, bracketed, old_aliases
from bench.routing.names import covers, full_name, gateway_name, is_ip, is_visible, is_wildcard
from bench.routing.passthrough import Passed
from bench.routing.rules import ONE, Rule, Share, Viewpoint, compile_rules
from bench.routing.service import KnownService

MESH = "mesh"
_HTTP = ("http", "auto")


@dataclass(frozen=True, slots=True)
class Listener:
    """What a proxy does with plain HTTP, or HTTP within TLS, on one port."""

    table: HostTable | None
    refused_because: str = ""
    """Why no HTTP is taken here, if there is no table."""
    doubt: str = ""
    passed: Passed | None = None
    """Bytes go on as they are, whatever is in them."""
    ends_tls: bool = False
    """Of ``passed``: it is what was within the TLS that goes on; else TLS goes on as it is."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """What all listeners of one sidecar have in common."""

    inventory: Inventory
    proxy: Proxy
    services: KnownServices
    clusters: Clusters
    virtual_services: tuple[Resource[VirtualService], ...]
    written: Callable[[Resource[VirtualService]], tuple[WrittenRule, ...]]


def sidecar_listener(mesh: Mesh, port: int) -> Listener:
    """The listener for *port*."""
    here = mesh.services.on(port)
    speaking_http = [service for service in here if service.ports[port].protocol in _HTTP]
    if not speaking_http:
        forwarding = [service.title for service in here if service.ports[port].protocol == "tcp"]
        if forwarding:
            return Listener(None, doubt=f"port {port} of {forwarding[0]} is forwarded as TCP")
        if mesh.inventory.outbound == "ALLOW_ANY":
            return Listener(None, doubt=f"ALLOW_ANY: port {port} goes to the address that the client dialled")
        what = ", ".join(f"{service.title} ({service.ports[port].protocol})" for service in here)
        return Listener(None, f"no HTTP service has port {port}" + (f", only {what}" if what else ""))
    is_old = mesh.inventory.semantics == "istio-1.0"
    for service in here:
        protocol = service.ports[port].protocol
        if protocol == "auto" and (is_old or service.addresses or service.resolution == "HEADLESS"):
            return Listener(
                None, doubt=f"{service.title} says no protocol for port {port}: the connection itself decides"
            )
        if service.resolution == "HEADLESS":
            # What is not HTTP has sockets of its own, at the addresses of the endpoints.
            continue
        # Bytes that are not HTTP go to the TCP service; HTTP stays with the HTTP services.
        if not service.addresses and protocol in ("tls", "tcp") and is_old:
            return Listener(None, doubt=f"{service.title} has a {protocol} port {port} beside HTTP services")
    return Listener(_table(mesh, port, here, is_old=is_old))


def _table(mesh: Mesh, port: int, here: tuple[KnownService, ...], *, is_old: bool) -> HostTable:
    by_host = {service.host: service for service in here}
    view = Viewpoint(
        mesh.proxy,
        port,
        (MESH,),
        mesh.clusters,
        mesh.inventory.domain,
        # For a sidecar every service has only the port that its listener has.
        lambda _host: port,
    )
    chosen: dict[str, VirtualHost] = {}
    taken: set[str] = set()
    bound = [
        (resource, _hosts(resource, mesh)) for resource in mesh.virtual_services if _is_bound(resource, mesh)
    ]
    for resource, hosts in bound:
        matched = _matched(hosts, by_host, [other for _, other in bound])
        # Port 80 takes every VirtualService, another port only those that have a service on it.
        is_foreign = port != 80 and not any(host in by_host for host in matched)
        if is_foreign and not is_old:
            continue
        rules = compile_rules(resource, mesh.written(resource), view)
        if not rules:
            continue
        title = f"{resource.title} ({resource.position(('spec', 'hosts'))})"
        for host in matched:
            doubt = f"whether {title} counts on port {port}, on which it has no service" if is_foreign else ""
            chosen.setdefault(host, VirtualHost(title, rules, doubt=doubt))
            taken.add(host)
    for service in here:
        if service.host not in taken and service.ports[port].protocol in _HTTP:
            cluster = mesh.clusters.get(service.written, port, "")
            why = f"{service.title} without a VirtualService that has a rule for this port"
            chosen[service.host] = VirtualHost(
                service.title, (Rule(matcher=ANYTHING, why=why, shares=(Share(ONE, cluster),)),)
            )
    return _domains(mesh, port, chosen, by_host, is_old=is_old)


def _is_bound(resource: Resource[VirtualService], mesh: Mesh) -> bool:
    spec = resource.spec
    if not spec.hosts or not is_visible(
        spec.export_to, owner=resource.namespace, viewer=mesh.proxy.namespace
    ):
        return False
    return not spec.gateways or any(gateway_name(name, resource.namespace) == MESH for name in spec.gateways)


def _hosts(resource: Resource[VirtualService], mesh: Mesh) -> tuple[str, ...]:
    return tuple(full_name(host, resource.namespace, mesh.inventory.domain) for host in resource.spec.hosts)


def _matched(
    hosts: Iterable[str], by_host: dict[str, KnownService], others: Iterable[tuple[str, ...]]
) -> list[str]:
    """The virtual hosts that a VirtualService with *hosts* makes: its services, or the host as written."""
    every = {host for group in others for host in group}
    found: list[str] = []
    for host in hosts:
        if not is_wildcard(host):
            found.append(host)
            continue
        services = [service for service in by_host if covers(host, service)]
        # Below a wildcard service, a narrower wildcard gets neither that service nor a host of its own.
        is_below = any(covers(service, host) for service in by_host)
        # A service belongs to the most specific host that any VirtualService writes for it.
        own = [
            service
            for service in services
            if not any(other != host and covers(other, service) and covers(host, other) for other in every)
        ]
        found += own if services or is_below else [host]
    return list(dict.fromkeys(found))


def _domains(
    mesh: Mesh,
    port: int,
    chosen: dict[str, VirtualHost],
    by_host: dict[str, KnownService],
    *,
    is_old: bool,
) -> HostTable:
    table = HostTable(ignores_port=not is_old)

    def with_port(names: Iterable[str]) -> list[str]:
        return [form for name in names for form in ((name, f"{name}:{port}") if is_old else (name,))]

    # A full name always beats a shorter name for something else.
    for host, virtual_host in chosen.items():
        table.add(with_port([host]), virtual_host)
    namespace, domain = mesh.proxy.namespace, mesh.inventory.domain
    for host in sorted(chosen):
        service = by_host.get(host)
        if service is None:
            continue
        if is_wildcard(host):
            # A wildcard has no shorter form, but an absolute one.
            table.add([] if is_old else [f"{host}."], chosen[host])
            continue
        names = [] if is_old or is_ip(host) else [f"{host}."]
        names += (old_aliases if is_old else aliases)(host, namespace=namespace, domain=domain)
        if service.resolution == "HEADLESS":
            names += [f"*.{name}" for name in (host, *names)]
        virtual_host = chosen[host]
        addresses = [address for address in service.addresses if "/" not in address]
        table.add(with_port(names), virtual_host)
        if len(addresses) > 1:
            doubt = f"{service.title} has several addresses: a proxy knows only one of them by Host"
            virtual_host = VirtualHost(virtual_host.title, (), doubt=doubt)
        table.add(with_port(bracketed(address) for address in addresses), virtual_host)
    if not is_old:
        table.add(["*"], _everything_else(mesh))
    return table


def _everything_else(mesh: Mesh) -> VirtualHost:
    if mesh.inventory.outbound == "ALLOW_ANY":
        doubt = "ALLOW_ANY: an unknown host goes to the address that the client dialled"
        return VirtualHost("outbound ALLOW_ANY", (), doubt=doubt)
    why = "no resource knows this host, and outbound is REGISTRY_ONLY"
    rule = Rule(matcher=ANYTHING, why=why, direct_status=502, direct_body="")
    return VirtualHost("outbound REGISTRY_ONLY", (rule,))
