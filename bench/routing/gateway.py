"""The listener of a gateway for one port: its servers, and the VirtualServices bound to them.

Source: Gateway and VirtualService in Istio's API reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bench.istio.inventory import Inventory, Proxy
from bench.istio.models import Gateway, Server, VirtualService
from bench.istio.resource import Resource
from bench.routing.catalog import KnownServices
from bench.routing.clusters import Clusters
from bench.routing.delegates import WrittenRule
from bench.routing.hosts import HostTable, VirtualHost
from bench.routing.names import covers, full_name, gateway_name, is_visible, narrower
from bench.routing.passthrough import Passed, passed_as_bytes, passed_names, precision
from bench.routing.protocols import entry_protocol
from bench.routing.rules import Rule, Viewpoint, compile_rules
from bench.routing.sidecar import Listener

_TERMINATING = frozenset({"SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL"})


@dataclass(frozen=True, slots=True)
class PlacedServer:
    """One server of one Gateway on a real port."""

    resource: Resource[Gateway]
    server: Server
    index: int

    @property
    def name(self) -> str:
        """The Gateway as VirtualServices name it."""
        return f"{self.resource.namespace}/{self.resource.name}"

    @property
    def title(self) -> str:
        """For sentences."""
        where = self.resource.position(("spec", "servers", self.index))
        return f"{self.resource.title} servers[{self.index}] ({where})"

    @property
    def kind(self) -> str:
        """``http``, ``https`` (terminated here), ``tls`` (passed through or to TCP) or ``tcp``."""
        protocol = entry_protocol(self.server.port.protocol)
        if protocol == "http":
            return "http"
        mode = self.server.tls.mode if self.server.tls is not None else None
        if self.server.port.protocol.upper() == "HTTPS" and mode in _TERMINATING:
            return "https"
        return "tls" if protocol == "tls" else "tcp"

    @property
    def is_secure(self) -> bool:
        """Whether clients speak TLS to it."""
        return self.server.tls is not None and entry_protocol(self.server.port.protocol) != "http"

    def entries(self) -> list[str]:
        """Its hosts as they are compared: ``namespace/host``, or ``host`` for every namespace."""
        return [host if owner == "*" else f"{owner}/{host}" for owner, host in self.hosts()]

    def hosts(self) -> list[tuple[str, str]]:
        """Namespace (``*`` for every) and host of each entry."""
        found = []
        for entry in self.server.hosts:
            owner, slash, host = entry.rpartition("/")
            if owner == ".":
                owner = self.resource.namespace
            found.append((owner if slash and owner else "*", host.lower()))
        return found


@dataclass(frozen=True, slots=True)
class Edge:
    """What all listeners of one gateway proxy have in common."""

    inventory: Inventory
    proxy: Proxy
    services: KnownServices
    clusters: Clusters
    virtual_services: tuple[Resource[VirtualService], ...]
    written: Callable[[Resource[VirtualService]], tuple[WrittenRule, ...]]
    servers: tuple[PlacedServer, ...]
    """The servers on this port, oldest Gateway first."""


def gateway_listener(edge: Edge, port: int, sni: str | None) -> Listener:  # noqa: PLR0911
    """The listener for real *port*; *sni* None is plain text, empty TLS without SNI.

    Which servers of a port count at all: see ``_merged``.
    """
    servers = [placed for placed in edge.servers if not placed.server.bind]
    if len(servers) < len(edge.servers):
        return Listener(None, doubt="servers with a bind address listen on addresses of their own")
    if not servers:
        return Listener(None, f"no server of a Gateway that selects this proxy is on port {port}")
    servers = _merged(servers)
    secure = [placed for placed in servers if placed.is_secure]
    plain = [placed for placed in servers if not placed.is_secure]
    if sni is not None:
        found = _tls_listener(edge, secure, sni)
        if found.table is not None or found.passed is not None or found.doubt or not plain:
            return found if secure else Listener(None, f"{servers[0].title} speaks no TLS")
        if plain[0].kind == "http":
            return Listener(None, f"{plain[0].title} speaks no TLS")
        return _bytes_listener(edge, plain[0])
    if not plain:
        return Listener(None, f"{servers[0].title} speaks only TLS")
    if plain[0].kind == "http":
        return Listener(_table(edge, plain))
    return _bytes_listener(edge, plain[0])


def _bytes_listener(edge: Edge, placed: PlacedServer) -> Listener:
    bound = [resource for resource in edge.virtual_services if _shared_hosts(edge, placed, resource)]
    passed = passed_as_bytes(bound, _viewpoint(edge, placed))
    if passed is None:
        return Listener(None, f"no tcp rule for {placed.title} holds")
    return Listener(None, passed=passed)


def _merged(servers: list[PlacedServer]) -> list[PlacedServer]:
    """The servers of one port that count, oldest first.

    TLS servers share a port by SNI; one that names a host of an older one is left out, and its other hosts
    stay free. A plain server joins TLS servers, and then only plain HTTP joins it, if it is HTTP itself.
    """
    kept: list[PlacedServer] = []
    taken: set[str] = set()
    plain: PlacedServer | None = None
    for placed in servers:
        if placed.server.tls is not None:
            entries = set(placed.entries())
            if entries & taken:
                continue
            taken |= entries
        if plain is None:
            plain = None if placed.is_secure else placed
        elif not plain.kind == placed.kind == "http":
            continue
        kept.append(placed)
    return kept


def _tls_listener(edge: Edge, servers: list[PlacedServer], sni: str) -> Listener:
    """What takes *sni*: a server that ends TLS by its hosts; of one that passes it on, the rules' own names.

    A rule counts at each server that it shares any host with, also for its other names.
    """
    known: dict[str, PlacedServer | Passed] = {}
    for placed in servers:
        tls = placed.server.tls
        if placed.kind == "https" or tls is None or tls.mode != "PASSTHROUGH":
            for _, host in placed.hosts():
                known.setdefault(host, placed)
            continue
        bound = [resource for resource in edge.virtual_services if _shared_hosts(edge, placed, resource)]
        for names, passed in passed_names(bound, _viewpoint(edge, placed)):
            if not any(name in known for name in names):
                known.update(dict.fromkeys(names, passed))
    fitting = [name for name in known if name == "*" or covers(name, sni.lower())]
    if not fitting:
        return Listener(None, f"no server has the SNI {sni or '(none)'}")
    best = known[max(fitting, key=precision)]
    if isinstance(best, Passed):
        return Listener(None, passed=best)
    if best.kind == "https":
        return Listener(_table(edge, [best]))
    return replace(_bytes_listener(edge, best), ends_tls=True)


@dataclass(slots=True)
class _Collected:
    """What servers and VirtualServices say of one host of a listener."""

    port: int
    titles: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    requires_tls: bool = False


def _table(edge: Edge, servers: list[PlacedServer]) -> HostTable:
    is_old = edge.inventory.semantics == "istio-1.0"
    collected: dict[str, _Collected] = {}
    built: dict[tuple[str, str], tuple[Rule, ...]] = {}
    for placed in servers:
        _collect(edge, placed, collected, built)
    table = HostTable(ignores_port=not is_old)
    for host, found in collected.items():
        # Of several VirtualServices for one host, what takes everything comes last.
        ordered = sorted(found.rules, key=lambda rule: rule.matcher.is_catch_all)
        domains = [host, f"{host}:{found.port}"] if is_old and host != "*" else [host]
        table.add(domains, VirtualHost(" and ".join(found.titles), tuple(ordered), found.requires_tls))
    return table


def _collect(
    edge: Edge,
    placed: PlacedServer,
    collected: dict[str, _Collected],
    built: dict[tuple[str, str], tuple[Rule, ...]],
) -> None:
    """Add what *placed* says. Servers of one Gateway share the rules that the first of them has any of."""
    number = placed.server.port.number
    redirects = placed.server.tls is not None and placed.server.tls.https_redirect
    for resource in edge.virtual_services:
        hosts = _shared_hosts(edge, placed, resource)
        key = (placed.name, f"{resource.namespace}/{resource.name}")
        rules = built.get(key, ())
        if hosts and not rules:
            rules = compile_rules(resource, edge.written(resource), _viewpoint(edge, placed))
        if not hosts or not rules:
            continue
        built[key] = rules
        for host in hosts:
            found = collected.setdefault(host, _Collected(number))
            found.rules.extend(rules)
            found.titles.append(f"{resource.title} ({resource.position(('spec', 'hosts'))})")
            found.requires_tls |= redirects
    # The redirect is for the host as it is written, with its namespace: a name that no request has.
    for entry in placed.entries() if redirects else ():
        found = collected.setdefault(entry, _Collected(number))
        found.titles.append(placed.title)
        found.requires_tls = True


def _viewpoint(edge: Edge, placed: PlacedServer) -> Viewpoint:
    def default_port(host: str) -> int | None:
        ports = {number for service in edge.services.named(host) for number in service.ports}
        return ports.pop() if len(ports) == 1 else None

    return Viewpoint(
        edge.proxy,
        placed.server.port.number,
        (placed.name,),
        edge.clusters,
        edge.inventory.domain,
        default_port,
        is_tls=placed.server.tls is not None,
    )


def _shared_hosts(edge: Edge, placed: PlacedServer, resource: Resource[VirtualService]) -> list[str]:
    spec = resource.spec
    bound = {gateway_name(name, resource.namespace) for name in spec.gateways}
    if placed.name not in bound or not is_visible(
        spec.export_to, owner=resource.namespace, viewer=edge.proxy.namespace
    ):
        return []
    found: dict[str, None] = {}
    for owner, host in placed.hosts():
        if owner not in ("*", resource.namespace):
            continue
        for written in spec.hosts:
            shared = narrower(host, full_name(written, resource.namespace, edge.inventory.domain))
            if shared is not None:
                found[shared] = None
    return list(found)
