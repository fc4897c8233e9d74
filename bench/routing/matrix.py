"""The request matrix: for each rule a request that takes it, and requests that just miss it, judged.

Deterministic and bounded: the same resources give the same cases in the same order, at most ``most`` of them.
Requests that take a rule come first, then overlaps, then near misses, then hosts; what a bound leaves out is
counted, and what cannot be judged is listed with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bench.istio.models import HTTPMatchRequest, VirtualService
from bench.istio.resource import Resource, Resources
from bench.routing.decision import Decision, Unjudged
from bench.routing.delegates import http_rules
from bench.routing.hosts import without_port
from bench.routing.names import covers, full_name, is_wildcard
from bench.routing.request import Request
from bench.routing.router import Router
from bench.routing.shapes import Shape, host_variants, near_misses, satisfying

MOST_CASES = 2_000
_OVERLAPS = 3
"""Each match is also asked together with this many that come after it."""
_NAMES_OF_A_WILDCARD = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One request, why it is asked, and what must become of it."""

    name: str
    request: Request
    decision: Decision


@dataclass(frozen=True, slots=True)
class Matrix:
    """All cases, and what is not among them."""

    cases: tuple[Case, ...]
    left_out: int
    """Cases beyond the bound."""
    unjudged: tuple[tuple[str, Request, str], ...]
    """Name, request and reason of what this package cannot decide."""
    without_request: tuple[str, ...]
    """Matches for which no satisfying request could be made, by resource and position."""


@dataclass(frozen=True, slots=True)
class _Probe:
    """One match of one rule, with the hosts that it is for."""

    name: str
    match: HTTPMatchRequest | None
    hosts: tuple[str, ...]
    is_for_mesh: bool


def request_matrix(
    router: Router,
    resources: Resources,
    *,
    most: int = MOST_CASES,
    called: Mapping[str, str] | None = None,
) -> Matrix:
    """Derive the matrix; *router* must have been made of the same *resources*.

    *called* gives the address that a client dials for a host, where that is known.
    """
    probes = [
        probe for resource in resources.virtual_services for probe in _probes(router, resources, resource)
    ]
    without = {probe.name for probe in probes if satisfying(probe.match, "host.invalid") is None}
    seen: dict[Request, str] = {}
    for name, request in _requests(router, probes):
        address = called.get(without_port(request.host).lower(), "") if called else ""
        seen.setdefault(replace(request, address=address) if address else request, name)
    cases: list[Case] = []
    unjudged: list[tuple[str, Request, str]] = []
    left_out = 0
    for request, name in seen.items():
        if len(cases) >= most:
            left_out += 1
            continue
        decision = router.decide(request)
        if decision.is_judged:
            cases.append(Case(name, request, decision))
        else:
            unjudged.append((name, request, _reason(decision)))
    return Matrix(tuple(cases), left_out, tuple(unjudged), tuple(sorted(without)))


def _reason(decision: Decision) -> str:
    outcomes = (branch.outcome for branch in decision.branches)
    return next(outcome.reason for outcome in outcomes if isinstance(outcome, Unjudged))


def _probes(router: Router, resources: Resources, resource: Resource[VirtualService]) -> Iterator[_Probe]:
    spec = resource.spec
    hosts = tuple(full_name(host, resource.namespace, router.inventory.domain) for host in spec.hosts)
    mesh = not spec.gateways or "mesh" in spec.gateways
    for rule in http_rules(resource, resources.virtual_services):
        for match in rule.matches:
            yield _Probe(f"{rule.title} ({match.where})", match.match, hosts, mesh)
        if not rule.matches:
            yield _Probe(f"{rule.title} ({rule.where})", None, hosts, mesh)


def _places(router: Router) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Every sidecar (without one, every gateway), its HTTP ports, and the hosts that it takes there."""
    proxies = router.inventory.proxies
    sidecars = [name for name, proxy in proxies.items() if proxy.role == "sidecar"]
    for name in sidecars or proxies:
        for port in router.http_ports(name):
            table = router.listener(name, port).table
            if table is not None:
                yield name, port, tuple(host for host in table.domains if not is_wildcard(host))


@dataclass(frozen=True, slots=True)
class _Taken:
    """A request at one place that meets every condition of one match."""

    proxy: str
    port: int
    probe: _Probe
    shape: Shape

    @property
    def place(self) -> tuple[str, int, str]:
        return self.proxy, self.port, self.shape.host


def _requests(router: Router, probes: list[_Probe]) -> Iterator[tuple[str, Request]]:
    places = list(_places(router))
    taken = [entry for place in places for probe in probes for entry in _taken(place, probe, probes)]
    for entry in taken:
        yield f"takes {entry.probe.name}", entry.shape.request(entry.proxy, entry.port)
    yield from _overlaps(taken)
    for entry in taken:
        for what, missed in near_misses(entry.probe.match, entry.shape):
            yield f"{what}, else {entry.probe.name}", missed.request(entry.proxy, entry.port)
    for entry in {entry.place: entry for entry in reversed(taken)}.values():
        for what, varied in host_variants(entry.shape, entry.port):
            yield f"{what}, else {entry.shape.host}", varied.request(entry.proxy, entry.port)
    for proxy, port, domains in places:
        for host in (*domains, *_below_wildcards(router, proxy, port)):
            yield f"host {host}", Shape(host).request(proxy, port)


def _below_wildcards(router: Router, proxy: str, port: int) -> list[str]:
    """A name below each wildcard of the listener, whether or not a rule speaks of it."""
    table = router.listener(proxy, port).table
    domains = table.domains if table is not None else ()
    return [
        host.replace("*", "any", 1) for host in domains if host.startswith("*.") and not host.endswith(".")
    ]


def _taken(place: tuple[str, int, tuple[str, ...]], probe: _Probe, probes: list[_Probe]) -> Iterator[_Taken]:
    proxy, port, domains = place
    for host in dict.fromkeys(name for written in probe.hosts for name in _concrete(written, domains)):
        shape = satisfying(probe.match, host)
        if shape is not None:
            for full in _through_the_mesh(probe, shape, probes):
                yield _Taken(proxy, port, probe, full)


def _concrete(host: str, domains: tuple[str, ...]) -> list[str]:
    """Names to ask a host by: for a wildcard some that are known here, and an unknown one."""
    if not is_wildcard(host):
        return [host]
    known = [domain for domain in domains if ":" not in domain and covers(host, domain)]
    return [*known[:_NAMES_OF_A_WILDCARD], host.replace("*", "any", 1) if host != "*" else "any.invalid"]


def _overlaps(taken: list[_Taken]) -> Iterator[tuple[str, Request]]:
    for index, entry in enumerate(taken):
        for other in taken[index + 1 : index + 1 + _OVERLAPS]:
            if entry.place == other.place:
                both = other.shape.joined(entry.shape)
                name = f"takes {entry.probe.name} and {other.probe.name}"
                yield name, both.request(entry.proxy, entry.port)


def _through_the_mesh(probe: _Probe, shape: Shape, probes: list[_Probe]) -> Iterator[Shape]:
    """A rule of a gateway is met only by what the sidecar's rules let through: both are asked for at once."""
    yield shape
    if probe.is_for_mesh:
        return
    for other in probes:
        if other.is_for_mesh and set(other.hosts) & set(probe.hosts) and other.match is not None:
            way = satisfying(other.match, shape.host)
            if way is not None:
                yield way.joined(shape)
                yield shape.joined(way)
