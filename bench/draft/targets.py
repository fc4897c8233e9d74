"""Which destinations clients can reach, and one request for each of them: what the second opinion says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from bench.draft.addresses import blocks_of, dialled_addresses, ipv4_address, names_of, own_address
from bench.istio.hosts import is_ip, is_wildcard
from bench.istio.registry import Protocol, Registry, Service
from bench.istio.resource import Resources
from bench.routing import (
    Case,
    Connection,
    Decision,
    Delivered,
    Destination,
    LocalAnswer,
    NoConnection,
    Outcome,
    Request,
    Router,
    Unjudged,
    request_matrix,
)

_BLOCK = (
    "its addresses are a block, whose listener only gets connections that are intercepted, which containers "
    "do: `init --stack docker` drafts it"
)
_IPV6_BLOCK = "its addresses are a block of IPv6, and the networks of containers have none"
_MOST_CASES = 4_000
_TOKEN = re.compile(r"[^a-z0-9]+")
_SENDABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Target:
    """One request, and the destinations that may answer it."""

    name: str
    client: str
    url: str
    shares: Mapping[Destination, Fraction]
    """Each destination with its part of the answers."""
    path_of_proxies: tuple[str, ...]
    """The proxies on the way, the client's own first."""
    sees_host: str = ""
    """The Host header, or the server name, that the destination sees."""
    sees_path: str = "/"
    """The path that the destination sees."""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    is_http2: bool = False
    """Whether the port that is called is declared as one of gRPC, whose clients speak HTTP/2."""
    dialled: tuple[str, str] = ("", "")
    """Name that is called, and the address that its client dials for it, where that decides; else empty."""

    @property
    def key(self) -> frozenset[str]:
        """Its destinations, whatever their endpoints: one name below a wildcard represents all."""
        return frozenset(destination.name for destination in self.shares)

    @property
    def scheme(self) -> str:
        """``http``, ``https`` or ``tcp``."""
        return self.url.partition(":")[0]


@dataclass
class Reached:
    """What clients reach, and what they do not."""

    targets: list[Target] = field(default_factory=list)
    unreached: dict[str, str] = field(default_factory=dict)
    """``host:port``, or a destination's name -> why no request of the scenario goes there."""
    left_to_interception: bool = False
    """Whether some of them are reached where connections are intercepted."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What requests are looked for in."""

    registry: Registry
    resources: Resources
    router: Router
    clients: tuple[str, ...]
    is_intercepted: bool
    """Whether proxies get connections to whatever address."""
    addresses: Mapping[str, str]
    """Name -> the address that a client dials for it, where connections are intercepted."""
    known: tuple[str, ...]
    """Server names that rules speak of, without wildcards."""
    grpc: frozenset[tuple[str, int]]
    """Host and number of each port that is declared as one of gRPC."""

    @classmethod
    def of(cls, registry: Registry, resources: Resources, *, is_intercepted: bool) -> Surroundings:
        """Those of all clients of *registry*."""
        known = _server_names(resources)
        return cls(
            registry,
            resources,
            Router(resources, registry.inventory),
            tuple(name for name, proxy in registry.inventory.proxies.items() if proxy.role == "sidecar"),
            is_intercepted,
            dialled_addresses(registry, known) if is_intercepted else {},
            known,
            frozenset(
                (service.host, port.number)
                for service in registry.services
                for port in service.ports
                if port.protocol is Protocol.GRPC
            ),
        )

    @property
    def inner(self) -> frozenset[str]:
        """The hosts of Services that lead to proxies: a client calls what lies behind, not these."""
        ips = {proxy.ip for proxy in self.registry.inventory.proxies.values()}
        return frozenset(
            service.host
            for service in self.registry.services
            if service.endpoints and all(each.address in ips for each in service.endpoints)
        )


def find_targets(around: Surroundings) -> Reached:
    """Give one request for each set of destinations that a client's request can have.

    Plain HTTP is found by the request matrix, TLS and bytes by the ports of the services.
    """
    found = Reached()
    names: dict[str, int] = {}
    seen: set[frozenset[str]] = set()
    for each in (*_http(around, found), *_connections(around, found)):
        if each.key in seen:
            continue
        seen.add(each.key)
        found.targets.append(_named(each, names))
    reached = {each for target in found.targets for each in target.shares}
    named = {f"{each.host}:{each.port}" for each in reached} | {each.name for each in reached}
    found.unreached = {host: why for host, why in found.unreached.items() if host not in named}
    return found


def _named(target: Target, names: dict[str, int]) -> Target:
    first = next(iter(target.shares))
    base = _TOKEN.sub("-", f"{first.host.removeprefix('*.').partition('.')[0]} {first.subset}".lower()).strip(
        "-"
    )
    if is_ip(first.host):
        base = _TOKEN.sub("-", first.host)
    if len(target.shares) > 1:
        base = f"{base.removesuffix(f'-{first.subset}')}-split"
    names[base] = names.get(base, 0) + 1
    if names[base] > 1:
        base = f"{base}-{names[base]}"
    return replace(target, name=base or "request")


def _bare(authority: str) -> str:
    return authority.rpartition(":")[0] if ":" in authority.rpartition("]")[2] else authority


def _http(around: Surroundings, found: Reached) -> Iterator[Target]:
    matrix = request_matrix(around.router, around.resources, most=_MOST_CASES, called=around.addresses)
    cases = [case for case in matrix.cases if case.request.proxy in ("", *around.clients)]
    # The plainest request that reaches a destination represents it.
    inner = around.inner
    declared = {service.host for service in around.registry.services} - inner
    declared |= {host for rule in around.resources.virtual_services for host in rule.spec.hosts}
    declared = {host.lower() for host in declared}
    for case in sorted(cases, key=lambda case: (_bare(case.request.host) in inner, *_plainness(case))):
        target = _http_target(around, case)
        if target is not None:
            yield target
        elif led := [each for each in case.decision.destinations() if each is not None and each.endpoints]:
            for destination in led:
                found.unreached.setdefault(destination.name, _why(case.decision))
        elif case.request.host in declared and _is_plain(case.request):
            found.unreached.setdefault(f"{case.request.host}:{case.request.port}", _why(case.decision))
    for _, request, reason in matrix.unjudged:
        if request.host in declared and _is_plain(request):
            found.unreached.setdefault(f"{request.host}:{request.port}", f"not decided: {reason}")


def _is_plain(request: Request) -> bool:
    return request.method == "GET" and request.path == "/" and not request.query and not request.headers


def _plainness(case: Case) -> tuple[bool, bool, int, int, bool]:
    request = case.request
    odd_host = ":" in request.host or request.host.endswith(".") or request.host != request.host.lower()
    return (
        is_ip(request.host.strip("[]")),
        odd_host,
        len(request.headers),
        len(request.path) + len(request.query),
        request.method != "GET",
    )


def _http_target(around: Surroundings, case: Case) -> Target | None:
    router, request = around.router, case.request
    if not all(_is_sendable(name, value) for name, value in request.headers):
        return None
    authority = request.host
    written = authority.rpartition("]")[2].partition(":")[2]
    if written and written != str(request.port):
        # The client of a URL calls the port that it says.
        return None
    if request.port != 80 and ":" not in authority.rpartition("]")[2]:
        authority = f"{authority}:{request.port}"
    elif request.port == 80 and authority.endswith(":80"):
        authority = authority.removesuffix(":80")
    query = f"?{request.query}" if request.query else ""
    target = f"{request.path}{query}"
    if not _SENDABLE.fullmatch(target) or not _SENDABLE.fullmatch(authority):
        return None
    # A client's Host header has the port of its URL: whether that is the same request is for the resources.
    decision = case.decision if authority == request.host else router.decide(replace(request, host=authority))
    shares = _delivered(decision)
    if shares is None:
        return None
    first = decision.branches[0]
    seen = first.outcome.host if isinstance(first.outcome, Delivered) else ""
    path = first.outcome.path if isinstance(first.outcome, Delivered) else "/"
    return Target(
        "",
        request.proxy,
        f"http://{authority}{target}",
        shares,
        tuple(hop.proxy for hop in first.hops),
        seen.partition(":")[0] if not seen.startswith("[") else seen,
        path,
        request.method,
        request.headers,
        (_bare(request.host).lower(), request.port) in around.grpc,
        _deciding(_bare(request.host).lower(), request.address, shares),
    )


def _deciding(name: str, address: str, shares: Mapping[Destination, Fraction]) -> tuple[str, str]:
    """Name and address, where connections go on to that address."""
    ends = {endpoint.address for destination in shares for endpoint in destination.endpoints}
    return (name, address) if address in ends else ("", "")


def _is_sendable(name: str, value: str) -> bool:
    return name.lower() not in ("host", "content-length", "transfer-encoding") and value.isascii()


def _delivered(decision: Decision) -> dict[Destination, Fraction] | None:
    """Give the destinations with their parts; None where a request may end otherwise, or nowhere."""
    shares: dict[Destination, Fraction] = {}
    for destination, part in decision.destinations().items():
        if destination is None or not destination.endpoints:
            return None
        shares[destination] = part
    return shares


def _connections(around: Surroundings, found: Reached) -> Iterator[Target]:
    inner = around.inner
    for service in sorted(around.registry.services, key=lambda service: service.host in inner):
        for port in service.ports:
            if not port.protocol.is_tcp:
                continue
            name, is_tls = f"{service.host}:{port.number}", port.protocol.is_tls
            if _has_block(service) and not around.is_intercepted:
                found.left_to_interception |= bool(blocks_of(service))
                found.unreached.setdefault(name, _BLOCK if blocks_of(service) else _IPV6_BLOCK)
                continue
            if is_wildcard(service.host) and not is_tls and not around.is_intercepted:
                found.unreached.setdefault(name, "no client can name a host of a wildcard over plain TCP")
                continue
            for host in names_of(service.host, around.known):
                for client in around.clients:
                    target = _connection(around, service, (host, port.number), client, is_tls=is_tls)
                    if is_tls and not isinstance(target, Target) and not is_wildcard(service.host):
                        # Where a proxy starts TLS for its clients, they speak none of their own.
                        plain = _connection(around, service, (host, port.number), client, is_tls=False)
                        target = plain if isinstance(plain, Target) else target
                    if isinstance(target, Target):
                        yield target
                        break
                    found.unreached.setdefault(name, target)


def _server_names(resources: Resources) -> tuple[str, ...]:
    """Give the server names that rules speak of, without wildcards."""
    names = (
        name
        for rule in resources.virtual_services
        for route in rule.spec.tls
        for match in route.match
        for name in match.sni_hosts
        if not is_wildcard(name)
    )
    return tuple(dict.fromkeys(names))


def _connection(
    around: Surroundings, service: Service, called: tuple[str, int], client: str, *, is_tls: bool
) -> Target | str:
    host, port = called
    own = ipv4_address(service) if around.is_intercepted else own_address(service)
    address = own or around.addresses.get(host, "")
    if around.is_intercepted and (lack := _lack(service, address)):
        return lack
    decision = around.router.connect(Connection(port, address, host if is_tls else None, client))
    shares = _delivered(decision)
    first = decision.branches[0]
    if shares is None:
        return _why(decision)
    reached = next(iter(shares))
    if (
        reached.host != service.host
        and not is_tls
        and not any(hop for hop in first.hops if hop.proxy != client)
    ):
        # Without an address of its own, bytes for this host are those of whoever listens first.
        return f"connections to this port reach {reached.name} instead"
    url = f"https://{host}/" if is_tls and port == 443 else f"https://{host}:{port}/"
    return Target(
        "",
        client,
        url if is_tls else f"tcp://{host}:{port}",
        shares,
        tuple(hop.proxy for hop in first.hops),
        host,
        dialled=(host, address)
        if _has_block(service) or service.is_headless
        else _deciding(host, address, shares),
    )


def _lack(service: Service, address: str) -> str:
    """Why an intercepted client cannot dial *service*, at *address* if that is known; empty: it can."""
    if _has_block(service) and not blocks_of(service):
        return _IPV6_BLOCK
    if not service.is_headless:
        is_only_ipv6 = own_address(service) and not ipv4_address(service)
        return "its address is one of IPv6, and the networks of containers have none" if is_only_ipv6 else ""
    if address in service.called_addresses:
        return ""
    if any(":" in each for each in service.called_addresses):
        return (
            "it is headless, its endpoints have addresses of IPv6, and the networks of containers have none"
        )
    return (
        "it is headless, so a client dials its endpoints, and no EndpointSlice or Pod in the YAML says the "
        "address of one"
    )


def _has_block(service: Service) -> bool:
    """Whether only a block of addresses leads to it: beside a single one blocks do not count."""
    return not own_address(service) and any("/" in each for each in service.addresses)


def _why(decision: Decision) -> str:
    """Why no request of *decision* is drafted."""
    for branch in decision.branches:
        end = _end(branch.outcome)
        if end and branch.probability == 1:
            return end
        if end:
            return f"{100 * float(branch.probability):.3g} % of its requests end otherwise: {end}"
    return "a request that its rule takes cannot be written as URL and headers"


def _end(outcome: Outcome) -> str:
    """How a request ends that reaches nobody; empty: it reaches an endpoint."""
    match outcome:
        case LocalAnswer():
            flag = f" {outcome.flag}" if outcome.flag else ""
            return f"{outcome.by} answers {outcome.status}{flag}: {outcome.why}"
        case NoConnection():
            return f"{outcome.by} takes no connection: {outcome.why}"
        case Unjudged():
            return f"not decided: {outcome.reason}"
        case Delivered(destination=destination):
            return "" if destination.endpoints else f"{destination.name} has no endpoint"


def endpoints_of(targets: Iterable[Target]) -> dict[tuple[str, int], list[tuple[Target, Destination]]]:
    """Give each endpoint with what leads there, in the order of the targets."""
    found: dict[tuple[str, int], list[tuple[Target, Destination]]] = {}
    for target in targets:
        for destination in target.shares:
            for endpoint in destination.endpoints:
                users = found.setdefault((endpoint.address.lower(), endpoint.port), [])
                users.append((target, destination))
    return found
