"""Who is called what and where: service names and addresses of all parts, known before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.errors import StackError
from bench.placement import Address
from bench.stack.compose.subnets import Network
from bench.stack.placing import LOOPBACK, wished_port
from bench.stack.protocol import NodeSpec, ProxySpec, StackSpec

MESH = "mesh"
EXTERNAL = "external"
_FIRST_SPARE_PORT = 20_000
"""For a listener whose port another listener of the same proxy has already."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A sidecar and the client beside it."""

    proxy: str
    client: str
    """Service in which calls and load start."""
    worker: str
    """Service of Locust's workers."""
    route: str
    """Service that gives the way to what clients dial."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and addresses of one stack."""

    project: str
    subnets: Mapping[str, Network]
    """Network -> its addresses."""
    services: Mapping[str, str]
    """Part -> service."""
    pods: Mapping[str, Pod]
    """Sidecar -> its pod."""
    redirects: Mapping[str, str]
    """Proxy -> the service that leads connections within its network elsewhere, where there is one."""
    hosts: Mapping[str, Mapping[str, str]]
    """Part -> network -> its address there."""
    listeners: Mapping[str, Mapping[Address, Address]] = field(default_factory=dict)
    """Proxy -> bind address as translated -> as bound inside its container."""

    def address(self, part: str) -> str:
        """Where others reach a part: a gateway on the mesh, a node on the external network."""
        return next(iter(self.hosts[part].values()))


def lay_out(spec: StackSpec, project: str, mesh: Network, external: Network) -> Layout:
    """Give each part of *spec* a service name and addresses.

    The client's service has the name of its sidecar's proxy, as a pod has one name for both; the sidecar
    itself is then called ``sidecar``.

    Raises:
        StackError: more parts than addresses.
    """
    sidecars = [proxy for proxy in spec.proxies if proxy.role == "sidecar"]
    gateways = [proxy for proxy in spec.proxies if proxy.role == "egress"]
    taken = {gateway.name for gateway in gateways} | {node.name for node in spec.nodes}
    services = {name: name for name in taken}
    pods = {}
    for proxy in sidecars:
        alone = len(sidecars) == 1
        service = _free_name("sidecar" if alone else f"{proxy.name}-sidecar", taken)
        client = _free_name(proxy.name if proxy.name != service else "sleep", taken)
        services[proxy.name] = service
        pods[proxy.name] = Pod(
            proxy=proxy.name,
            client=client,
            worker=_free_name("worker" if alone else f"{client}-worker", taken),
            route=_free_name("route" if alone else f"{client}-route", taken),
        )
    redirects = {
        proxy.name: _free_name(
            "redirect" if proxy.role == "sidecar" and len(sidecars) == 1 else f"{proxy.name}-redirect", taken
        )
        for proxy in spec.proxies
    }
    mesh_hosts, external_hosts = mesh.hosts(), external.hosts()
    # The first address is the bridge's.
    next(mesh_hosts), next(external_hosts)
    hosts: dict[str, dict[str, str]] = {}
    try:
        for node in spec.nodes:
            hosts[node.name] = {EXTERNAL: str(next(external_hosts))}
        for gateway in gateways:
            hosts[gateway.name] = {MESH: str(next(mesh_hosts)), EXTERNAL: str(next(external_hosts))}
        for proxy in sidecars:
            hosts[proxy.name] = {MESH: str(next(mesh_hosts))}
            if proxy.leaves_mesh:
                hosts[proxy.name][EXTERNAL] = str(next(external_hosts))
    except StopIteration:
        raise StackError(f"stack {spec.name} has more parts than {mesh} has addresses.") from None
    return Layout(
        project=project,
        subnets={MESH: mesh, EXTERNAL: external},
        services=services,
        pods=pods,
        redirects=redirects,
        hosts=hosts,
        listeners={proxy.name: bind_addresses(spec, proxy) for proxy in spec.proxies},
    )


def bind_addresses(spec: StackSpec, proxy: ProxySpec) -> dict[Address, Address]:
    """Where each listener of *proxy* binds inside its container: all addresses, its own port.

    A requested port takes its place; so does a spare one where several listeners share a port, since the
    addresses that distinguish them are none of the container's. With redirection nothing moves: a listener is
    then found by the address that the client called.
    """
    if proxy.intercepts:
        return {address: address for address in proxy.listeners}
    bound: dict[Address, Address] = {}
    used: set[int] = set()
    spare = _FIRST_SPARE_PORT
    for address in proxy.listeners:
        port = wished_port(spec, proxy.name, proxy.listeners, address) or address[1]
        while port in used:
            port = spare
            spare += 1
        used.add(port)
        bound[address] = ("0.0.0.0", port)  # noqa: S104 - of the container
    return bound


def closed_port(bound: Mapping[Address, Address]) -> Address:
    """A port on loopback inside a proxy's container, at which none of its listeners, *bound*, is."""
    taken = {port for _, port in bound.values()}
    return LOOPBACK, next(port for port in range(1, 1 << 16) if port not in taken)


def node_address(spec: StackSpec, layout: Layout, node: NodeSpec) -> Address:
    """Where a node listens."""
    port = wished_port(spec, node.name, [node.plays], node.plays) or node.plays[1]
    return layout.address(node.name), port


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    taken.add(name)
    return name
