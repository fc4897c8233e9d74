"""Where a destination leads from one proxy: endpoints, the next proxy, or why there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.istio.inventory import Inventory, Proxy
from bench.routing.catalog import KnownServices
from bench.routing.decision import Destination, Endpoint
from bench.routing.names import is_ip
from bench.routing.service import KnownService
from bench.routing.subsets import DestinationRules, HostRule


@dataclass(frozen=True, slots=True)
class Cluster:
    """One of: a destination, a doubt, or a failure that the proxy answers with 503."""

    name: str
    destination: Destination | None = None
    next_proxies: tuple[str, ...] = ()
    """Gateways behind the destination's endpoints; empty when the way ends there."""
    tls_mode: str = "DISABLE"
    sni: str = ""
    """Written SNI; empty: the one that the semantics derive."""
    flag: str = ""
    """NC or UH: why there is no destination."""
    why: str = ""
    doubt: str = ""


class Clusters:
    """The clusters of one proxy, made when first asked for."""

    def __init__(
        self, inventory: Inventory, proxy: Proxy, services: KnownServices, rules: DestinationRules
    ) -> None:
        self._proxy = proxy
        self._is_old = inventory.semantics == "istio-1.0"
        self._services = services
        self._rules = rules
        self._gateways: Mapping[str, str] = {
            other.ip: name for name, other in inventory.proxies.items() if other.role == "gateway"
        }
        self._made: dict[tuple[str, int, str], Cluster] = {}

    def get(self, host: str, port: int, subset: str) -> Cluster:
        """The cluster for a full host name."""
        key = (host, port, subset)
        if key not in self._made:
            self._made[key] = self._make(host, port, subset)
        return self._made[key]

    def _make(self, host: str, port: int, subset: str) -> Cluster:
        service = self._services.at(host.lower(), port)
        if service is not None and not self._is_old and service.written != host:
            name = Destination(host, port, subset, ()).name
            return Cluster(name, flag="NC", why=f"{service.title} writes its host {service.written}")
        return self._named(host.lower(), port, subset, service)

    def _named(self, host: str, port: int, subset: str, service: KnownService | None) -> Cluster:
        name = Destination(host, port, subset, ()).name
        if service is None:
            others = self._services.named(host)
            ports = ", ".join(str(number) for other in others for number in other.ports)
            why = f"{host} has no port {port}, only {ports}" if others else f"no service is called {host}"
            return Cluster(name, flag="NC", why=why)
        known = service.ports[port]
        if known.protocol == "udp":
            return Cluster(name, flag="NC", why=f"port {port} of {service.title} is UDP")
        rule = self._rules.of(service, self._proxy)
        backends = known.backends
        if subset:
            if rule is None or subset not in rule.subsets:
                what = (
                    f"{rule.title} defines no subset {subset}"
                    if rule is not None
                    else f"no DestinationRule that counts here defines the subset {subset}"
                )
                return Cluster(name, flag="NC", why=f"{what} of {host}")
            labels = rule.subsets[subset].labels
            backends = tuple(b for b in backends if labels.items() <= b.labels.items())
        doubt = self._doubt(service) or known.doubt
        if rule is not None and rule.passes_through(port, subset):
            doubt = f"{rule.title} says PASSTHROUGH: the address that the client dialled decides"
        if doubt:
            return Cluster(name, doubt=doubt)
        endpoints = tuple(
            backend.endpoint
            for backend in backends
            if service.resolution != "STATIC" or is_ip(backend.endpoint.address)
        )
        if not endpoints:
            why = f"{service.title} has no endpoint for {name}"
            return Cluster(name, flag="NC" if service.resolution == "DNS" else "UH", why=why)
        return self._reached(name, Destination(host, port, subset, endpoints), endpoints, rule)

    def _reached(
        self, name: str, destination: Destination, endpoints: tuple[Endpoint, ...], rule: HostRule | None
    ) -> Cluster:
        proxies = [self._gateways.get(endpoint.address) for endpoint in endpoints]
        found = tuple(proxy for proxy in proxies if proxy is not None)
        if found and (len(found) != len(proxies) or len({endpoint.port for endpoint in endpoints}) > 1):
            return Cluster(
                name, doubt=f"some endpoints of {name} are gateways and some are not, or their ports differ"
            )
        port, subset = destination.port, destination.subset
        mode = rule.tls_mode(port, subset) if rule is not None else "DISABLE"
        sni = rule.sni(port, subset) if rule is not None else ""
        return Cluster(name, destination, found, mode, sni)

    def _doubt(self, service: KnownService) -> str:
        match service.resolution:
            case "NONE" if self._proxy.role == "sidecar":
                return f"{service.title} has resolution NONE: the address that the client dialled decides"
            case "HEADLESS":
                return f"{service.title} is headless: the address that the client dialled decides"
            case "ALIAS":
                return f"{service.title} is an alias (ExternalName)"
            case "DYNAMIC_DNS":
                return f"{service.title} has resolution DYNAMIC_DNS: the Host header decides"
        return ""
