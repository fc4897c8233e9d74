"""Services as a mesh knows them, whatever resource declares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from bench.errors import Position

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - Istio's word for "no virtual IP"
PUBLIC = frozenset({"*"})


class Protocol(StrEnum):
    """What a service port speaks (istio ``pkg/config/protocol``)."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    HTTPS = "HTTPS"
    TLS = "TLS"
    TCP = "TCP"
    MONGO = "Mongo"
    MYSQL = "MySQL"
    REDIS = "Redis"
    UDP = "UDP"
    UNKNOWN = ""
    """To be found out from the first bytes of a connection."""

    @property
    def is_http(self) -> bool:
        """Plain-text HTTP of any version: routed by route configurations."""
        return self in {Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB}

    @property
    def is_http2(self) -> bool:
        """Always HTTP/2."""
        return self in {Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB}

    @property
    def is_tls(self) -> bool:
        """Encrypted by the application: routed by SNI."""
        return self in {Protocol.HTTPS, Protocol.TLS}

    @property
    def is_tcp(self) -> bool:
        """Bytes: routed by address."""
        return self in {Protocol.TCP, Protocol.MONGO, Protocol.MYSQL, Protocol.REDIS, *_TLS}


_TLS = (Protocol.HTTPS, Protocol.TLS)


class Resolution(Enum):
    """How a service's addresses become endpoints."""

    ENDPOINTS = "STATIC"
    DNS = "DNS"
    DNS_ROUND_ROBIN = "DNS_ROUND_ROBIN"
    DYNAMIC_DNS = "DYNAMIC_DNS"
    PASSTHROUGH = "NONE"
    """The connection goes where the client sent it."""


class Origin(Enum):
    """Which kind of resource declares a service."""

    KUBERNETES = "Service"
    SERVICE_ENTRY = "ServiceEntry"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service as clients see it."""

    name: str
    number: int
    protocol: Protocol
    target_port: int | None = None
    """Where endpoints listen, if that is one number for all."""
    locate: Callable[[], Position] | None = field(default=None, compare=False, repr=False)
    """Finds its place: ports of several resources can be joined under one host."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind one port of a service."""

    address: str
    """IP address, DNS name, or path of a Unix socket."""
    port: int
    """0 for a Unix socket."""
    port_name: str
    """Name of the service port that it answers."""
    labels: Mapping[str, str] = field(default_factory=dict)
    locality: str = ""
    weight: int = 1
    network: str = ""
    identity: str = ""
    """``ns/NAMESPACE/sa/SERVICE_ACCOUNT``; empty where the account is not known."""
    is_ready: bool = True
    locate: Callable[[], Position] | None = field(default=None, compare=False, repr=False)
    """Finds the place that declares it."""


@dataclass(frozen=True, slots=True)
class Service:
    """One host with its ports."""

    host: str
    namespace: str
    name: str
    origin: Origin
    locate: Callable[[], Position]
    """Finds the place of the declaration: only messages need it, and finding it takes time."""
    ports: tuple[ServicePort, ...]
    resolution: Resolution = Resolution.ENDPOINTS
    addresses: tuple[str, ...] = ()
    """Virtual IPs and CIDR blocks."""
    export_to: frozenset[str] = PUBLIC
    labels: Mapping[str, str] = field(default_factory=dict)
    selector: Mapping[str, str] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    is_external: bool = False
    is_headless: bool = False
    preferred_labels: tuple[str, ...] = ()
    """What an endpoint should have in common with the client, weightiest first: ``trafficDistribution``."""
    external_name: str | None = None
    """What a Kubernetes Service of type ExternalName represents."""
    written_host: str = ""
    """The host as written, where a ServiceEntry has upper case in it."""

    @property
    def own_host(self) -> str:
        """The host as written: rules and destinations are compared with it by case."""
        return self.written_host or self.host

    @property
    def where(self) -> Position:
        """Where the service is declared."""
        return self.locate()

    def port(self, number: int) -> ServicePort | None:
        """Give the port with that number."""
        return next((port for port in self.ports if port.number == number), None)

    def locate_port(self, port: ServicePort) -> Callable[[], Position]:
        """Find the place of *port*, which another resource may have added to this host."""
        return port.locate or self.locate

    @property
    def address(self) -> str:
        """The first virtual address, ``0.0.0.0`` without one."""
        return self.addresses[0] if self.addresses else ANY_ADDRESS

    @property
    def called_addresses(self) -> tuple[str, ...]:
        """The addresses that DNS gives clients for it, IPv4 before IPv6; empty: the YAML does not say.

        Those of its own; of a headless Service those of its endpoints that are ready.
        """
        own = (each for each in self.addresses if "/" not in each and each != ANY_ADDRESS)
        members = (each.address for each in self.endpoints if each.is_ready)
        return tuple(
            sorted(dict.fromkeys(members if self.is_headless else own), key=lambda each: ":" in each)
        )

    def identities(self, trust_domain: str) -> tuple[str, ...]:
        """Give what a certificate of this service may name, sorted (istio ``initServiceAccounts``).

        That is the identity of any of its endpoints, or what a ServiceEntry says.
        """
        known = {f"spiffe://{trust_domain}/{each.identity}" for each in self.endpoints if each.identity}
        return tuple(sorted(known | set(self.subject_alt_names)))

    def is_visible_in(self, namespace: str) -> bool:
        """Return whether the service is exported to *namespace*."""
        return is_exported(self.export_to, self.namespace, namespace)


def is_exported(export_to: frozenset[str], owner: str, viewer: str) -> bool:
    """Return whether a resource of *owner* with that ``exportTo`` can be seen from *viewer*."""
    if not export_to or "*" in export_to:
        return True
    if "~" in export_to:
        return False
    return viewer in export_to or ("." in export_to and viewer == owner)
