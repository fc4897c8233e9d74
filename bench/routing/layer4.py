"""Where a TLS or TCP connection leads from a sidecar: the chain that takes it, and the service behind that.

Sources: TLSRoute, TCPRoute and "Protocol Selection" in Istio's documentation; for which of several rules and
services on one port counts, what istiod is known to do: rules by precedence, services by visibility and age,
and of two equal conditions the first. A rule counts for each service that one of its hosts overlaps, and once
any of its TLS matches holds on the port, the service's own chain is gone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from bench.istio.models import L4MatchAttributes, VirtualService
from bench.istio.resource import Resource
from bench.routing.decision import CannotJudgeError
from bench.routing.names import (
    covers,
    full_name,
    gateway_name,
    is_ip,
    is_visible,
    is_wildcard,
    narrower,
    privacy,
)
from bench.routing.passthrough import Passed, exists_for, precision, shares_of
from bench.routing.rules import Share, Viewpoint
from bench.routing.service import KnownService
from bench.routing.sidecar import MESH, Mesh

_BYTES = ("tcp", "tls")


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that a client beside a proxy opens."""

    port: int
    address: str = ""
    """The IP address that is dialled; empty: one that no service has."""
    sni: str | None = None
    """None: no TLS; empty: TLS without a server name."""
    proxy: str = ""
    """Name of the proxy; empty: the only sidecar of the inventory."""
    around: str | None = None
    """The SNI of TLS that another proxy put around it; None: none did."""

    @property
    def outer_sni(self) -> str | None:
        """What a proxy that takes it is asked for; None: it sees no TLS."""
        return self.sni if self.around is None else self.around


@dataclass(frozen=True, slots=True)
class Chain:
    """A condition on the server name, and where its connections go."""

    name: str
    """Server name or wildcard; empty takes everything."""
    passed: Passed
    blocks: tuple[str, ...] = ()
    """Of addresses that must be dialled; empty: any."""

    def precision(self, address: str) -> int | None:
        """How precisely it asks for *address*: the length of its block, -1 for any; None: not for that."""
        if not self.blocks:
            return -1
        return max((block.prefixlen for block in _around(address, self.blocks)), default=None)


class Chains:
    """All chains of one socket, ready to be asked by server name."""

    def __init__(self, chains: Iterable[Chain], beside: str = "") -> None:
        """Sort *chains*; *beside* says who speaks HTTP on the same socket, if somebody does."""
        self._beside = beside
        self._exact: dict[str, Chain] = {}
        self._wild: list[Chain] = []
        self._rest: Chain | None = None
        """What takes everything."""
        for chain in chains:
            if not chain.name:
                self._rest = self._rest or chain
            elif is_wildcard(chain.name):
                self._wild.append(chain)
            else:
                self._exact.setdefault(chain.name.lower(), chain)

    def find(self, sni: str | None) -> Chain | None:
        """The chain that takes a connection; None when nothing but the outbound policy is left.

        Raises:
            CannotJudgeError: no server name decides, and HTTP is spoken there as well.
        """
        named = self._named(sni.lower()) if sni is not None else None
        if named is None and self._beside:
            raise CannotJudgeError(self._beside)
        return named or self._rest

    def _named(self, name: str) -> Chain | None:
        # The most specific name takes it: itself, then the longest wildcard, then what has no condition.
        fitting = [chain for chain in self._wild if covers(chain.name, name)]
        wild = max(fitting, key=lambda chain: precision(chain.name), default=None)
        return self._exact.get(name) or wild


def sidecar_chains(mesh: Mesh, connection: Connection) -> Chains:
    """The chains of the socket that gets *connection*, whatever its server name.

    Raises:
        CannotJudgeError: the connection itself decides, or what decides is not known here.
    """
    listening = _listening(mesh, connection)
    # The address comes first, and no proxy goes back from it: the narrowest block that holds it has all.
    asked = [
        (chain, found)
        for chain in _chains(mesh, connection, listening)
        if (found := chain.precision(connection.address)) is not None
    ]
    narrowest = max((found for _, found in asked), default=-1)
    beside = next((service for service, _ in listening if _speaks_http(mesh, service, connection)), None)
    return Chains(
        (chain for chain, found in asked if found == narrowest),
        f"{beside.title} speaks http on port {connection.port}" if beside is not None else "",
    )


def _speaks_http(mesh: Mesh, service: KnownService, connection: Connection) -> bool:
    """Whether plain HTTP has a chain of its own there, which leaves TLS to the names that are asked for."""
    is_old = mesh.inventory.semantics == "istio-1.0"
    return not is_old and service.ports[connection.port].protocol == "http"


def _chains(
    mesh: Mesh, connection: Connection, listening: Iterable[tuple[KnownService, str]]
) -> Iterator[Chain]:
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for service, bind in listening:
        if _speaks_http(mesh, service, connection):
            continue
        spoken = service.ports[connection.port].protocol
        if spoken not in _BYTES:
            raise CannotJudgeError(f"{service.title} speaks {spoken} on port {connection.port}")
        found = _tls_chains if spoken == "tls" else _tcp_chains
        for chain in found(mesh, service, connection, is_shared=not bind):
            placed = chain if bind or chain.blocks else replace(chain, blocks=service.blocks)
            key = placed.name, tuple(sorted(placed.blocks))
            if key not in seen:
                seen.add(key)
                yield placed


def _listening(mesh: Mesh, connection: Connection) -> list[tuple[KnownService, str]]:
    """The services behind the socket that gets the connection, in the order in which they were added."""
    by_age = sorted(mesh.services.on(connection.port), key=lambda each: each.order)
    here = sorted(by_age, key=lambda each: privacy(each.export_to))
    placed = []
    for service in here:
        # HTTP listens on every address; so does whatever has no address of its own.
        own = service.own_addresses if service.ports[connection.port].protocol != "http" else ()
        if service.resolution == "HEADLESS" and service.ports[connection.port].protocol != "http":
            placed += [(service, member) for member in _members(mesh, service, connection.port)]
        else:
            placed += [(service, bind) for bind in own or ("",)]
    own_socket = [each for each in placed if each[1] == connection.address and each[1]]
    return own_socket or [each for each in placed if not each[1]]


def _members(mesh: Mesh, service: KnownService, port: int) -> Iterator[str]:
    """The addresses of a headless service: each of its endpoints is listened on, but for the proxy's own."""
    known = service.ports[port]
    if known.doubt:
        raise CannotJudgeError(known.doubt)
    addresses = dict.fromkeys(backend.endpoint.address for backend in known.backends)
    yield from (each for each in addresses if is_ip(each) and each != mesh.proxy.ip)


def _view(mesh: Mesh, port: int) -> Viewpoint:
    def only_port(host: str) -> int | None:
        ports = {number for service in mesh.services.named(host.lower()) for number in service.ports}
        return ports.pop() if len(ports) == 1 else None

    return Viewpoint(mesh.proxy, port, (MESH,), mesh.clusters, mesh.inventory.domain, only_port)


def _rules_for(mesh: Mesh, service: KnownService) -> list[Resource[VirtualService]]:
    found = []
    for resource in mesh.virtual_services:
        spec = resource.spec
        if spec.gateways and MESH not in {gateway_name(each, resource.namespace) for each in spec.gateways}:
            continue
        if not is_visible(spec.export_to, owner=resource.namespace, viewer=mesh.proxy.namespace):
            continue
        names = (full_name(host, resource.namespace, mesh.inventory.domain) for host in spec.hosts)
        if any(narrower(name, service.host) is not None for name in names):
            found.append(resource)
    return found


def _tls_chains(
    mesh: Mesh, service: KnownService, connection: Connection, *, is_shared: bool
) -> Iterator[Chain]:
    view, is_taken = _view(mesh, connection.port), False
    for resource in _rules_for(mesh, service):
        for index, rule in enumerate(resource.spec.tls):
            for match in rule.match:
                if not exists_for(match, resource, view):
                    continue
                if match.destination_subnets:
                    raise _unknown_address(resource)
                is_taken = True
                why = f"{resource.title}, tls[{index}] ({resource.position(('spec', 'tls', index))})"
                for name in match.sni_hosts:
                    passed = Passed(why, shares_of(resource, rule.route, view))
                    yield Chain("" if name == "*" else name.lower(), passed)
    if not is_taken:
        yield Chain(service.host if is_shared else "", _own(mesh, service, connection.port))


def _tcp_chains(
    mesh: Mesh, service: KnownService, connection: Connection, *, is_shared: bool
) -> Iterator[Chain]:
    del is_shared
    view = _view(mesh, connection.port)
    fitting: list[Chain] = []
    by_address: set[int] = set()
    """Of the fitting ones, those that ask for the address."""
    for resource in _rules_for(mesh, service):
        for index, rule in enumerate(resource.spec.tcp):
            holding = [match for match in rule.match if exists_for(match, resource, view)]
            if rule.match and not holding:
                continue
            asking = [match for match in holding if match.destination_subnets]
            if asking and not any(_has(match, connection.address) for match in asking):
                raise _unknown_address(resource)
            if asking:
                by_address.add(len(fitting))
            why = f"{resource.title}, tcp[{index}] ({resource.position(('spec', 'tcp', index))})"
            subnets = tuple(block for match in asking for block in match.destination_subnets)
            fitting.append(Chain("", Passed(why, shares_of(resource, rule.route, view)), subnets))
            if by_address and len(fitting) > 1:
                # The narrowest block takes it, whatever the order of the rules.
                raise _unknown_address(resource)
    yield from fitting[:1]
    if not fitting or by_address:
        yield Chain("", _own(mesh, service, connection.port))


def _has(match: L4MatchAttributes, address: str) -> bool:
    """Whether the address that is dialled lies in one of the match's blocks."""
    return any(True for _ in _around(address, match.destination_subnets))


def _around(address: str, blocks: Iterable[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Those of *blocks* that hold *address*; none where that is empty, or a name."""
    try:
        dialled = ipaddress.ip_address(address)
    except ValueError:
        return
    for written in blocks:
        block = ipaddress.ip_network(written, strict=False)
        if block.version == dialled.version and dialled in block:
            yield block


def _unknown_address(resource: Resource[VirtualService]) -> CannotJudgeError:
    return CannotJudgeError(f"{resource.title} asks for the address that the client dialled")


def _own(mesh: Mesh, service: KnownService, port: int) -> Passed:
    why = f"{service.title} without a rule for this port"
    return Passed(why, (Share(Fraction(1), mesh.clusters.get(service.written, port, "")),), is_own=True)
