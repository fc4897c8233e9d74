"""Gateway proxies: one for each selector of the Gateways, placed by what the YAML says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.errors import Position
from bench.istio.hosts import expand_gateway, expand_host
from bench.istio.inventory import Proxy, ServiceFact, ServicePort
from bench.istio.models import (
    Destination,
    Gateway,
    HTTPRoute,
    HTTPRouteDestination,
    RouteDestination,
    Service,
    TCPRoute,
    TLSRoute,
    VirtualService,
)
from bench.istio.problem import Path
from bench.istio.resource import Resource, Resources
from bench.scenario.assumed.kinds import Assumption
from bench.scenario.assumed.workloads import Addresses, Found, free_name, part_name, plain_name

ROOT_NAMESPACE = "istio-system"
_SERVICE_LABEL = "kubernetes.io/service-name"
_TLS = frozenset({"HTTPS", "TLS"})
_HTTP = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY"})
_USUAL_NAMES = {80: "http2", 443: "https"}
"""As the chart of Istio's gateways calls the ports of their Service."""


@dataclass
class Gateways:
    """The gateway proxies of an inventory, as far as they are known."""

    proxies: dict[str, Proxy] = field(default_factory=dict)
    services: dict[tuple[str, str], ServiceFact] = field(default_factory=dict)
    places: list[Position] = field(default_factory=list)
    assumptions: list[Assumption] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Called:
    """A Service that routes call, and that no YAML declares."""

    name: str
    namespace: str
    ports: frozenset[int]
    where: Position
    gateways: frozenset[str]
    """``namespace/name`` of the Gateways that the same VirtualService is bound to."""
    http_ports: frozenset[int]
    """Those of the ports that HTTP rules call: whatever the gateway's server speaks there, it is no other
    port than the chart's."""


def assume_gateways(
    resources: Resources, workloads: Sequence[Found], addresses: Addresses, domain: str
) -> Gateways:
    """Give one proxy for each selector of the Gateways that no other proxy answers to."""
    found = Gateways()
    by_selector: dict[frozenset[tuple[str, str]], list[Resource[Gateway]]] = {}
    for gateway in resources.gateways:
        by_selector.setdefault(frozenset(gateway.spec.selector.items()), []).append(gateway)
    called = list(_undeclared_services(resources, domain))
    # The widest selector first: its labels answer to narrower ones, too.
    for selector, gateways in sorted(by_selector.items(), key=lambda each: -len(each[0])):
        wanted = dict(selector)
        if any(wanted.items() <= proxy.labels.items() for proxy in found.proxies.values()):
            continue
        running = [each for each in workloads if wanted.items() <= each.labels.items()]
        if running:
            _add_running(found, running, resources, addresses)
        else:
            place = _place(found, _Selected(wanted, gateways), resources, called)
            _add_assumed(found, _Selected(wanted, gateways), place, addresses)
    return found


@dataclass(frozen=True, slots=True)
class _Selected:
    """Gateways with one selector."""

    selector: Mapping[str, str]
    gateways: Sequence[Resource[Gateway]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a gateway proxy runs that no Pod shows."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    account: str
    because: str
    ips: tuple[str, ...] = ()
    """Of its pods, as far as they are known."""


def _add_running(
    found: Gateways, running: Sequence[Found], resources: Resources, addresses: Addresses
) -> None:
    """Add the pods of what runs first; what else has the labels elsewhere is another gateway's."""
    first = running[0]
    name = free_name(first.name, found.proxies)
    ips = tuple(each.ip for each in running if each.ip and each.namespace == first.namespace)
    if not ips:
        ips = _addresses_of(first, resources)
    if not ips:
        what = f"{name} runs as {first.title} says; it has no address yet, so one is made up."
        if first.replicas > 1:
            what += f" One pod runs here of its {first.replicas}: `replicas: {first.replicas}` runs as many."
        found.assumptions.append(Assumption(("proxies", name), what, first.where))
    _add(found, _Place(name, first.namespace, first.labels, first.service_account, "", ips), addresses)


def _addresses_of(running: Found, resources: Resources) -> tuple[str, ...]:
    """The addresses of what a Deployment makes, by the EndpointSlices of a Service that selects it."""
    here = [each for each in resources.services if each.namespace == running.namespace]
    service = _service_of(running.labels, here)
    return _addresses_in_slices(service, resources) if service is not None else ()


def _add_assumed(found: Gateways, selected: _Selected, place: _Place, addresses: Addresses) -> None:
    first = selected.gateways[0]
    text = ",".join(f"{key}={value}" for key, value in sorted(selected.selector.items())) or "any labels"
    made_up = f"its service account {place.account}"
    made_up = f"{made_up} is made up" if place.ips else f"its address and {made_up} are made up"
    count = "one proxy is" if len(place.ips) < 2 else f"{len(place.ips)} proxies are"
    what = (
        f"{place.name}: {first.title} selects {text}, and no Pod or Deployment in the YAML has these labels; "
        f"{count} assumed in {place.namespace}, because {place.because}; {made_up}."
    )
    found.assumptions.append(Assumption(("proxies", place.name), what, first.position(("spec", "selector"))))
    _add(found, place, addresses)


def _add(found: Gateways, place: _Place, addresses: Addresses) -> None:
    """Add a gateway, each of its further pods as a replica with the address that it has."""
    first = found.proxies[place.name] = Proxy.model_validate(
        {
            "role": "gateway",
            "namespace": place.namespace,
            "labels": dict(place.labels),
            "ip": place.ips[0] if place.ips else addresses.take(),
            "serviceAccount": place.account,
        }
    )
    for ip in place.ips[1:]:
        further = free_name(place.name, found.proxies)
        found.proxies[further] = first.model_copy(update={"ip": ip, "replica_of": place.name})


def _place(found: Gateways, selected: _Selected, resources: Resources, called: Sequence[_Called]) -> _Place:
    """Find where the proxy of a selector runs, by its Service, by the routes that call it, by its Gateway."""
    selector = selected.selector
    service = _service_of(selector, resources.services)
    if service is not None:
        return _Place(
            free_name(part_name({}, service.name), found.proxies),
            service.namespace,
            {**service.spec.selector, **selector},
            f"{service.name}-service-account",
            f"the Service {service.namespace}/{service.name} leads there",
            _addresses_in_slices(service, resources),
        )
    name = free_name(_name_of(selector), found.proxies)
    match = _called_for(selector, selected.gateways, called)
    if match is not None:
        _add_service(found, match, selector, selected.gateways)
        because = f"routes call the Service {match.namespace}/{match.name}"
        return _Place(name, match.namespace, selector, f"{match.name}-service-account", because)
    if selector.get("istio", "").endswith("gateway"):
        because = "that is where Istio's charts install it"
        return _Place(name, ROOT_NAMESPACE, selector, "default", because)
    because = "that is the namespace of the Gateway"
    return _Place(name, selected.gateways[0].namespace, selector, "default", because)


def _service_of(
    selector: Mapping[str, str], services: Sequence[Resource[Service]]
) -> Resource[Service] | None:
    """Find the Service whose Pods have the labels of *selector*, or may have them."""
    exact = (each for each in services if selector and selector.items() <= each.spec.selector.items())
    wider = (
        each for each in services if each.spec.selector and each.spec.selector.items() <= selector.items()
    )
    return next(exact, None) or next(wider, None)


def _addresses_in_slices(service: Resource[Service], resources: Resources) -> tuple[str, ...]:
    """The first address of each endpoint, once: a Service with two ports may have two slices."""
    slices = (
        each
        for each in resources.endpoint_slices
        if each.namespace == service.namespace and each.labels.get(_SERVICE_LABEL) == service.name
    )
    endpoints = (endpoint for each in slices for endpoint in each.spec.endpoints)
    return tuple(dict.fromkeys(endpoint.addresses[0] for endpoint in endpoints if endpoint.addresses))


def _called_for(
    selector: Mapping[str, str], gateways: Sequence[Resource[Gateway]], called: Sequence[_Called]
) -> _Called | None:
    """Find the Service of a selector: by its name, else by a VirtualService of both."""
    words = {value for value in selector.values() if value}
    named = [each for each in called if any(word in each.name or each.name in word for word in words)]
    if named:
        return named[0]
    titles = {f"{each.namespace}/{each.name}" for each in gateways}
    bound = [each for each in called if each.gateways & titles]
    return bound[0] if bound else None


def _name_of(selector: Mapping[str, str]) -> str:
    written = selector.get("istio") or next(iter(selector.values()), "")
    return plain_name(written or "gateway")


def _add_service(
    found: Gateways, called: _Called, selector: Mapping[str, str], gateways: Sequence[Resource[Gateway]]
) -> None:
    key = called.namespace, called.name
    if key in found.services:
        return
    servers = {server.port.number: server.port.protocol for each in gateways for server in each.spec.servers}
    # What routes call is a port of the Service, whether or not a server listens there: others say so.
    numbers = sorted({*servers, *called.ports})
    ports = tuple(
        ServicePort(
            name=_port_name(number, servers.get(number), is_http=number in called.http_ports), port=number
        )
        for number in numbers
    )
    path: Path = ("services", len(found.services))
    found.services[key] = ServiceFact(
        name=called.name, namespace=called.namespace, ports=ports, selector=dict(selector)
    )
    found.places.append(called.where)
    summary = ", ".join(f"{each.port} ({each.name})" for each in ports)
    what = (
        f"the Service {called.namespace}/{called.name} is called and not in the YAML; it is assumed with "
        f"ports {summary}, each leading to the same port of the gateway."
    )
    found.assumptions.append(Assumption(path, what, called.where))


def _port_name(number: int, protocol: str | None, *, is_http: bool) -> str:
    if protocol is None or (is_http and number in _USUAL_NAMES):
        return _USUAL_NAMES.get(number, f"tcp-{number}")
    kind = protocol.upper()
    if number in _USUAL_NAMES and (kind in _TLS) is (number == 443) and kind in _TLS | _HTTP:
        return _USUAL_NAMES[number]
    return f"{'tls' if kind in _TLS else 'http' if kind in _HTTP else 'tcp'}-{number}"


def _undeclared_services(resources: Resources, domain: str) -> Iterator[_Called]:
    """Give the Services of the cluster that routes call and nothing declares, in the order of the YAML."""
    known = {(each.namespace, each.name) for each in resources.services}
    known |= _entry_names(resources, domain)
    found: dict[tuple[str, str], _Called] = {}
    for rule in resources.virtual_services:
        gateways = frozenset(expand_gateway(each, rule.namespace) for each in rule.spec.gateways)
        for path, destination in _destinations(rule):
            is_http = path[1] == "http"
            split = _split(expand_host(destination.host, rule.namespace, domain), domain)
            if split is None or split in known:
                continue
            port = {destination.port.number} if destination.port is not None else set()
            before = found.get(split)
            found[split] = _Called(
                split[1],
                split[0],
                frozenset(port) | (before.ports if before is not None else frozenset()),
                before.where if before is not None else rule.position(path),
                gateways | (before.gateways if before is not None else frozenset()),
                frozenset(port if is_http else ())
                | (before.http_ports if before is not None else frozenset()),
            )
    yield from found.values()


def _entry_names(resources: Resources, domain: str) -> set[tuple[str, str]]:
    hosts = {host for entry in resources.service_entries for host in entry.spec.hosts}
    return {split for host in hosts if (split := _split(host, domain)) is not None}


def _split(host: str, domain: str) -> tuple[str, str] | None:
    """Give namespace and name of a Service by its full name; None for any other host."""
    suffix = f".svc.{domain}"
    if not host.endswith(suffix):
        return None
    name, dot, namespace = host.removesuffix(suffix).rpartition(".")
    return (namespace, name) if dot and "." not in name and "*" not in name else None


def _destinations(rule: Resource[VirtualService]) -> Iterator[tuple[Path, Destination]]:
    rules: dict[str, tuple[HTTPRoute | TLSRoute | TCPRoute, ...]] = {
        "http": rule.spec.http,
        "tls": rule.spec.tls,
        "tcp": rule.spec.tcp,
    }
    for kind, routes in rules.items():
        for index, route in enumerate(routes):
            destinations: tuple[HTTPRouteDestination | RouteDestination, ...] = route.route
            for number, each in enumerate(destinations):
                path: Path = ("spec", kind, index, "route", number, "destination", "host")
                yield path, each.destination
