"""Which destinations clients can reach, and one request for each of them: what the second opinion says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from bench.istio.hosts import covers, is_ip, is_wildcard
from bench.istio.registry import Registry, Service
from bench.istio.resource import Resources
from bench.routing import (
    Case,
    Connection,
    Decision,
    Delivered,
    Destination,
    LocalAnswer,
    NoConnection,
    Request,
    Router,
    Unjudged,
    request_matrix,
)

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

    @property
    def scheme(self) -> str:
        """``http``, ``https`` or ``tcp``."""
        return self.url.partition(":")[0]


@dataclass
class Reached:
    """What clients reach, and what they do not."""

    targets: list[Target] = field(default_factory=list)
    unreached: dict[str, str] = field(default_factory=dict)
    """``host:port`` -> why no request of the scenario goes there."""


def find_targets(registry: Registry, resources: Resources) -> Reached:
    """Give one request for each set of destinations that a client's request can have.

    Plain HTTP is found by the request matrix, TLS and bytes by the ports of the services.
    """
    router = Router(resources, registry.inventory)
    found = Reached()
    names: dict[str, int] = {}
    seen: set[frozenset[Destination]] = set()
    for each in (
        *_http(router, registry, resources, found),
        *_connections(router, registry, resources, found),
    ):
        key = frozenset(each.shares)
        if key in seen:
            continue
        seen.add(key)
        found.targets.append(_named(each, names))
    reached = {f"{each.host}:{each.port}" for target in found.targets for each in target.shares}
    found.unreached = {host: why for host, why in found.unreached.items() if host not in reached}
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
    return Target(
        base or "request",
        target.client,
        target.url,
        target.shares,
        target.path_of_proxies,
        target.sees_host,
        target.sees_path,
        target.method,
        target.headers,
    )


def _gateway_services(registry: Registry) -> frozenset[str]:
    """Give the hosts of Services that lead to proxies: a client calls what lies behind, not these."""
    ips = {proxy.ip for proxy in registry.inventory.proxies.values()}
    return frozenset(
        service.host
        for service in registry.services
        if service.endpoints and all(each.address in ips for each in service.endpoints)
    )


def _bare(authority: str) -> str:
    return authority.rpartition(":")[0] if ":" in authority.rpartition("]")[2] else authority


def _http(router: Router, registry: Registry, resources: Resources, found: Reached) -> Iterator[Target]:
    cases = request_matrix(router, resources, most=_MOST_CASES).cases
    # The plainest request that reaches a destination represents it.
    inner = _gateway_services(registry)
    declared = {service.host for service in registry.services} - inner
    declared |= {host for rule in resources.virtual_services for host in rule.spec.hosts}
    declared = {host.lower() for host in declared}
    for case in sorted(cases, key=lambda case: (_bare(case.request.host) in inner, *_plainness(case))):
        target = _http_target(case)
        if target is not None:
            yield target
        elif case.request.host in declared and _is_plain(case.request):
            outcome = case.decision.branches[0].outcome
            found.unreached.setdefault(f"{case.request.host}:{case.request.port}", _why(outcome))


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


def _http_target(case: Case) -> Target | None:
    request = case.request
    shares = _delivered(case.decision)
    if shares is None or not all(_is_sendable(name, value) for name, value in request.headers):
        return None
    authority = request.host
    if request.port != 80 and ":" not in authority.rpartition("]")[2]:
        authority = f"{authority}:{request.port}"
    elif request.port == 80 and authority.endswith(":80"):
        authority = authority.removesuffix(":80")
    query = f"?{request.query}" if request.query else ""
    target = f"{request.path}{query}"
    if not _SENDABLE.fullmatch(target) or not _SENDABLE.fullmatch(authority):
        return None
    first = case.decision.branches[0]
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
    )


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


def _connections(
    router: Router, registry: Registry, resources: Resources, found: Reached
) -> Iterator[Target]:
    clients = [name for name, proxy in registry.inventory.proxies.items() if proxy.role == "sidecar"]
    inner = _gateway_services(registry)
    known = _server_names(resources)
    for service in sorted(registry.services, key=lambda service: service.host in inner):
        for port in service.ports:
            if not port.protocol.is_tcp:
                continue
            name, is_tls = f"{service.host}:{port.number}", port.protocol.is_tls
            if is_wildcard(service.host) and not is_tls:
                found.unreached.setdefault(name, "no client can name a host of a wildcard over plain TCP")
                continue
            for host in _hosts(service.host, known):
                for client in clients:
                    target = _connection(router, service, (host, port.number), client, is_tls=is_tls)
                    if is_tls and not isinstance(target, Target) and not is_wildcard(service.host):
                        # Where a proxy starts TLS for its clients, they speak none of their own.
                        plain = _connection(router, service, (host, port.number), client, is_tls=False)
                        target = plain if isinstance(plain, Target) else target
                    if isinstance(target, Target):
                        yield target
                        break
                    found.unreached.setdefault(name, target)


def _hosts(host: str, known: Sequence[str]) -> list[str]:
    """Give the names to ask for: of a wildcard those that rules speak of, and an unknown one."""
    if not is_wildcard(host):
        return [host]
    return [*(each for each in known if covers(host, each)), host.replace("*", "any", 1)]


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
    router: Router, service: Service, called: tuple[str, int], client: str, *, is_tls: bool
) -> Target | str:
    host, port = called
    address = "" if service.address == "0.0.0.0" else _single(service.address)  # noqa: S104 - Istio's word
    if "/" in address:
        return "its addresses are a block, of which no single one is known"
    decision = router.connect(Connection(port, address, host if is_tls else None, client))
    shares = _delivered(decision)
    first = decision.branches[0]
    if shares is None:
        return _why(first.outcome)
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
    )


def _single(address: str) -> str:
    """Write a block of one address as that address."""
    host, _, length = address.partition("/")
    return host if length == ("128" if ":" in host else "32") else address


def _why(outcome: object) -> str:
    match outcome:
        case LocalAnswer():
            flag = f" {outcome.flag}" if outcome.flag else ""
            return f"{outcome.by} answers {outcome.status}{flag}: {outcome.why}"
        case NoConnection():
            return f"{outcome.by} takes no connection: {outcome.why}"
        case Unjudged():
            return f"not decided: {outcome.reason}"
        case _:
            return "only a part of its requests arrives"


def endpoints_of(targets: Iterable[Target]) -> dict[tuple[str, int], list[tuple[Target, Destination]]]:
    """Give each endpoint with what leads there, in the order of the targets."""
    found: dict[tuple[str, int], list[tuple[Target, Destination]]] = {}
    for target in targets:
        for destination in target.shares:
            for endpoint in destination.endpoints:
                users = found.setdefault((endpoint.address.lower(), endpoint.port), [])
                users.append((target, destination))
    return found
