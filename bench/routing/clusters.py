"""Where a destination leads from one proxy: endpoints, the next proxy, or why there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from bench.istio.inventory import Inventory, Proxy
from bench.routing.catalog import KnownServices
from bench.routing.decision import Destination, Endpoint
from bench.routing.names import is_ip
from bench.routing.service import Backend, KnownService
from bench.routing.subsets import DestinationRules, HostRule

_AS_DIALLED = ("NONE", "HEADLESS")
"""Of a sidecar: connections go on to the address that the client dialled."""


class Onward(Enum):
    """What decides where a connection goes, if no endpoint of the service does."""

    DIALLED = auto()
    """The address that the client dialled."""
    NAMED = auto()
    """The host that is asked for, as DNS knows it."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One of: a destination, a doubt, or a failure that the proxy answers with 503."""

    name: str
    destination: Destination | None = None
    """Without endpoints where ``onward`` says what decides."""
    next_proxies: tuple[str, ...] = ()
    """Gateways behind the destination's endpoints; empty when the way ends there."""
    tls_mode: str = "DISABLE"
    sni: str = ""
    """Written SNI; empty: the one that the semantics derive."""
    flag: str = ""
    """NC or UH: why there is no destination."""
    why: str = ""
    doubt: str = ""
    onward: Onward | None = None
    upstream_port: int = 0
    """Of ``onward``: the port there; 0: the one that was dialled or asked for."""

    def led_to(self, address: str, port: int) -> Cluster:
        """The same for a connection that was meant for *address* and *port*; empty: that is not known."""
        assert self.destination is not None  # noqa: S101 - of one that leads onward
        if not address:
            what = "the address that the client dialled" if self.onward is Onward.DIALLED else "the host"
            return replace(self, destination=None, doubt=f"{self.why}: {what} decides")
        endpoint = Endpoint(address, self.upstream_port or port)
        return replace(self, destination=replace(self.destination, endpoints=(endpoint,)), onward=None)


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
        return self._leading_to(Destination(host, port, subset, ()), service, rule, backends)

    def _leading_to(
        self,
        destination: Destination,
        service: KnownService,
        rule: HostRule | None,
        backends: tuple[Backend, ...],
    ) -> Cluster:
        name, port, subset = destination.name, destination.port, destination.subset
        balanced_by_client = rule is not None and rule.passes_through(port, subset)
        onward = self._onward(service, balanced_by_client=balanced_by_client)
        doubt = "" if onward is Onward.DIALLED else service.ports[port].doubt
        if service.resolution == "ALIAS":
            doubt = f"{service.title} is an alias (ExternalName)"
        if rule is not None and balanced_by_client and self._proxy.role != "sidecar":
            doubt = f"{rule.title} says PASSTHROUGH: the address that was dialled decides"
        if doubt:
            return Cluster(name, doubt=doubt)
        if onward is not None:
            return self._leading_onward(destination, service, rule, onward)
        endpoints = tuple(
            backend.endpoint
            for backend in backends
            if service.resolution != "STATIC" or is_ip(backend.endpoint.address)
        )
        if not endpoints:
            why = f"{service.title} has no endpoint for {name}"
            return Cluster(name, flag="NC" if service.resolution == "DNS" else "UH", why=why)
        return self._reached(name, replace(destination, endpoints=endpoints), endpoints, rule)

    def _leading_onward(
        self, destination: Destination, service: KnownService, rule: HostRule | None, onward: Onward
    ) -> Cluster:
        port, subset = destination.port, destination.subset
        why = f"{service.title} has resolution {service.resolution}"
        if service.resolution == "HEADLESS":
            why = f"{service.title} is headless"
        if onward is Onward.NAMED and subset:
            return Cluster(destination.name, flag="NC", why=f"{why}, which has no subsets")
        if rule is not None and onward is Onward.DIALLED and service.resolution not in _AS_DIALLED:
            why = f"{rule.title} says PASSTHROUGH"
        return Cluster(
            destination.name,
            destination,
            tls_mode=rule.tls_mode(port, subset) if rule is not None else "DISABLE",
            sni=rule.sni(port, subset) if rule is not None else "",
            why=why,
            onward=onward,
            upstream_port=service.ports[port].target if service.resolution == "NONE" else 0,
        )

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

    def _onward(self, service: KnownService, *, balanced_by_client: bool) -> Onward | None:
        if service.resolution == "DYNAMIC_DNS":
            return Onward.NAMED
        is_sidecar = self._proxy.role == "sidecar"
        is_as_dialled = service.resolution in _AS_DIALLED or balanced_by_client
        return Onward.DIALLED if is_sidecar and is_as_dialled else None
