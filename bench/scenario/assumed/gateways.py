"""Gateway proxies: one for each selector of the Gateways, placed by what the YAML says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench.errors import Position
from bench.istio.hosts import expand_gateway, expand_host
from bench.istio.inventory import Proxy, ServiceFact, ServicePort
from bench.istio.models import Destination, Gateway, VirtualService, kubernetes
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
        _add(found, wanted, gateways, resources, workloads, addresses, called)
    return found


def _add(
    found: Gateways,
    selector: Mapping[str, str],
    gateways: Sequence[Resource[Gateway]],
    resources: Resources,
    workloads: Sequence[Found],
    addresses: Addresses,
    called: Sequence[_Called],
) -> None:
    text = ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or "any labels"
    where = gateways[0].position(("spec", "selector"))
    title = gateways[0].title
    running = next((each for each in workloads if selector.items() <= each.labels.items()), None)
    if running is not None:
        name = free_name(running.name, found.proxies)
        labels, namespace, ip = dict(running.labels), running.namespace, running.ip
        account = running.service_account
        if not ip:
            what = f"{name} runs as {running.title} says; it has no address yet, so one is made up."
            found.assumptions.append(Assumption(("proxies", name), what, running.where))
    else:
        service = _service_of(selector, resources.services)
        account = "default"
        if service is not None:
            labels = {**service.spec.selector, **selector}
            name = free_name(part_name({}, service.name), found.proxies)
            namespace, ip = service.namespace, _address_in_slices(service, resources)
            account = f"{service.name}-service-account"
            source = f"the Service {namespace}/{service.name} leads to them"
        else:
            labels = dict(selector)
            match = _called_for(selector, gateways, called)
            name = free_name(_name_of(selector), found.proxies)
            ip = ""
            namespace = match.namespace if match is not None else _namespace_of(selector, gateways[0])
            source = "that namespace is where Istio's charts install it"
            if match is not None:
                account = f"{match.name}-service-account"
                source = f"the routes call the Service {namespace}/{match.name}"
                _add_service(found, match, selector, gateways)
            elif namespace != ROOT_NAMESPACE:
                source = "that is the namespace of the Gateway"
        told = f"its address and its service account {account} are made up"
        if ip:
            told = f"its service account {account} is made up"
        what = (
            f"{name}: {title} selects {text}, and no Pod or Deployment in the YAML has these labels; one proxy "
            f"is assumed in {namespace}, because {source}; {told}."
        )
        found.assumptions.append(Assumption(("proxies", name), what, where))
    found.proxies[name] = Proxy.model_validate(
        {
            "role": "gateway",
            "namespace": namespace,
            "labels": labels,
            "ip": ip or addresses.take(),
            "serviceAccount": account,
        }
    )


def _service_of(
    selector: Mapping[str, str], services: Sequence[Resource[kubernetes.Service]]
) -> Resource[kubernetes.Service] | None:
    """Find the Service whose Pods have the labels of *selector*, or may have them."""
    exact = (each for each in services if selector and selector.items() <= each.spec.selector.items())
    wider = (each for each in services if each.spec.selector and each.spec.selector.items() <= selector.items())
    return next(exact, None) or next(wider, None)


def _address_in_slices(service: Resource[kubernetes.Service], resources: Resources) -> str:
    for each in resources.endpoint_slices:
        if each.namespace == service.namespace and each.labels.get(_SERVICE_LABEL) == service.name:
            for endpoint in each.spec.endpoints:
                if endpoint.addresses:
                    return endpoint.addresses[0]
    return ""


def _called_for(
    selector: Mapping[str, str], gateways: Sequence[Resource[Gateway]], called: Sequence[_Called]
) -> _Called | None:
    """Find the Service that stands for a selector: by its name, else by a VirtualService of both."""
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


def _namespace_of(selector: Mapping[str, str], gateway: Resource[Gateway]) -> str:
    return ROOT_NAMESPACE if selector.get("istio", "").endswith("gateway") else gateway.namespace


def _add_service(
    found: Gateways, called: _Called, selector: Mapping[str, str], gateways: Sequence[Resource[Gateway]]
) -> None:
    key = called.namespace, called.name
    if key in found.services:
        return
    servers = {server.port.number: server.port.protocol for each in gateways for server in each.spec.servers}
    # What routes call is a port of the Service, whether or not a server listens there: that is for others to say.
    numbers = sorted({*servers, *called.ports})
    ports = tuple(ServicePort(name=_port_name(number, servers.get(number)), port=number) for number in numbers)
    path: Path = ("services", len(found.services))
    found.services[key] = ServiceFact(
        name=called.name, namespace=called.namespace, ports=ports, selector=dict(selector)
    )
    found.places.append(called.where)
    what = (
        f"the Service {called.namespace}/{called.name} is called and not in the YAML; it is assumed with the "
        f"ports {', '.join(f'{each.port} ({each.name})' for each in ports)}, each leading to the same port of "
        "the gateway."
    )
    found.assumptions.append(Assumption(path, what, called.where))


def _port_name(number: int, protocol: str | None) -> str:
    if protocol is None:
        return _USUAL_NAMES.get(number, f"tcp-{number}")
    kind = protocol.upper()
    if number in _USUAL_NAMES and (kind in _TLS) is (number == 443) and kind in _TLS | _HTTP:
        return _USUAL_NAMES[number]
    return f"{'tls' if kind in _TLS else 'http' if kind in _HTTP else 'tcp'}-{number}"


def _undeclared_services(resources: Resources, domain: str) -> Iterator[_Called]:
    """Give the Services of the cluster that routes call and nobody declares, in the order of the YAML."""
    known = {(each.namespace, each.name) for each in resources.services}
    known |= _entry_names(resources, domain)
    found: dict[tuple[str, str], _Called] = {}
    for rule in resources.virtual_services:
        gateways = frozenset(expand_gateway(each, rule.namespace) for each in rule.spec.gateways)
        for path, destination in _destinations(rule):
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
    for kind, routes in (("http", rule.spec.http), ("tls", rule.spec.tls), ("tcp", rule.spec.tcp)):
        for index, route in enumerate(routes):
            for number, each in enumerate(route.route):
                path: Path = ("spec", kind, index, "route", number, "destination", "host")
                yield path, each.destination
