"""The proxies of the inventory, each with its translation, made when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration

from bench.errors import Position
from bench.explain.clusters import Clusters, written_address
from bench.explain.resources import Sources
from bench.explain.servers import ServerCertificate
from bench.istio.inventory import Proxy
from bench.istio.registry import Origin, ProxyView, Registry, Service
from bench.translate import ProxyConfig, TlsMaterial, translate

STAND_INS = TlsMaterial(
    workload_certificate="the workload's certificate",
    workload_private_key="the workload's key",
    workload_ca="the mesh's trust bundle",
)
"""Names for what an agent would bring: nothing is read here, so any will do."""


def possible_names(destination: str, namespace: str, domain: str) -> list[str]:
    """Give what *destination* may be for in a pod of *namespace*, completed as a resolver does."""
    host = destination.lower().rstrip(".")
    return [host, f"{host}.{namespace}.svc.{domain}", f"{host}.svc.{domain}", f"{host}.{domain}"]


@dataclass(frozen=True)
class TranslatedProxy:
    """One proxy and what it was given."""

    name: str
    proxy: Proxy
    config: ProxyConfig
    sources: Sources
    view: ProxyView
    certificates: Mapping[str, ServerCertificate] = field(default_factory=dict)
    """Address (``host:port``) -> what is known of the certificate of the server there."""

    def certificate_names(self, address: str, ca: str = "") -> ServerCertificate | None:
        """Give what is known of the certificate of the server at *address*; None for nothing.

        Who trusts the mesh's *ca* alone gets the certificate of a workload, which has its identity.
        """
        known = self.certificates.get(address)
        inventory = self.view.registry.inventory
        written = inventory.workload.ca if inventory.workload is not None else None
        if known is not None or ca not in {STAND_INS.workload_ca, written}:
            return known
        host = address.rpartition(":")[0].strip("[]")
        for name, proxy in inventory.proxies.items():
            if proxy.ip == host:
                account = proxy.service_account or "default"
                identity = f"spiffe://{inventory.domain}/ns/{proxy.namespace}/sa/{account}"
                return ServerCertificate(f"the proxy {name}", (identity,))
        return None

    @cached_property
    def clusters(self) -> Clusters:
        """Its clusters by name."""
        return Clusters(self.config)

    @cached_property
    def routes(self) -> dict[str, RouteConfiguration]:
        """Its route configurations by name."""
        return {config.name: config for config in self.config.routes}

    def service_places(self, host: str, port: int) -> dict[str, Position]:
        """Give the place of the *port* of the service that *host* names for this proxy; empty for none.

        Several resources can declare ports of one host: each answers for its own.
        """
        for name in possible_names(host, self.proxy.namespace, self.view.registry.inventory.domain):
            service = self.view.service(name)
            declared = service.port(port) if service is not None else None
            if service is not None and declared is not None:
                return {"service": service.locate_port(declared)()}
        return {}

    @property
    def is_sidecar(self) -> bool:
        """Whether it runs beside a client."""
        return self.proxy.role == "sidecar"


class Proxies:
    """All proxies, translated on demand."""

    def __init__(
        self,
        registry: Registry,
        sources: Sources,
        certificates: Mapping[str, ServerCertificate] | None = None,
        material: TlsMaterial | None = STAND_INS,
    ) -> None:
        """*material*: what replaces the certificates of workloads; None: only what the inventory names."""
        self._material = material
        self.registry = registry
        self._sources = sources
        self._certificates = certificates or {}
        self._translated: dict[str, TranslatedProxy] = {}
        self._by_ip = {proxy.ip: name for name, proxy in registry.inventory.proxies.items()}

    def get(self, name: str) -> TranslatedProxy:
        """Give the proxy *name*.

        Raises:
            InputError: the inventory has no such proxy.
            UnsupportedError: files alone cannot do what a resource asks of it.
        """
        if name not in self._translated:
            proxy = self.registry.proxy(name)
            config = translate(self.registry, name, config_source="static", tls_material=self._material)
            view = ProxyView(self.registry, name)
            self._translated[name] = TranslatedProxy(
                name, proxy, config, self._sources, view, self._certificates
            )
        return self._translated[name]

    def gateway_at(self, address: str) -> str | None:
        """Give the gateway proxy that listens at *address* (``host:port``)."""
        host = address.rpartition(":")[0].strip("[]")
        name = self._by_ip.get(host)
        return name if name is not None and self.registry.inventory.proxies[name].role == "gateway" else None

    def gateway_behind(self, address: str, here: TranslatedProxy) -> Behind | None:
        """Give the gateway that a connection of *here* to *address* (``host:port``) reaches.

        The address may be the gateway's own, the cluster IP of its Service, or the name of that Service,
        which DNS resolves to the cluster IP.
        """
        direct = self.gateway_at(address)
        if direct is not None:
            return Behind(direct, address)
        host, _, port = address.rpartition(":")
        if not port.isdecimal():
            return None
        service = self._service_at(host.strip("[]"), here)
        declared = service.port(int(port)) if service is not None else None
        if service is None or declared is None:
            return None
        for _, endpoint in self.registry.endpoints_by_host.get(service.host, ()):
            if endpoint.port_name == declared.name and endpoint.is_ready:
                target = written_address(endpoint.address, endpoint.port)
                name = self.gateway_at(target)
                if name is not None:
                    return Behind(name, target, is_named=service.host == host or host in service.addresses)
        return None

    def _service_at(self, host: str, here: TranslatedProxy) -> Service | None:
        names = possible_names(host, here.proxy.namespace, self.registry.inventory.domain)
        return next((found for found in map(self._kubernetes.get, (*names, host)) if found is not None), None)

    @cached_property
    def _kubernetes(self) -> dict[str, Service]:
        """Kubernetes Services by name and by cluster IP: what DNS and kube-proxy know."""
        found: dict[str, Service] = {}
        for service in self.registry.services:
            if service.origin is Origin.KUBERNETES:
                for key in (service.host, *service.addresses):
                    found.setdefault(key, service)
        return found


@dataclass(frozen=True, slots=True)
class Behind:
    """A gateway, and where the connection reaches it."""

    proxy: str
    address: str
    is_named: bool = False
    """By the name or the cluster IP of its Service, and not by its own address."""
