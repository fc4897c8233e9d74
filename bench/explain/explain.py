"""The answer to: what will happen to this request, and why?"""

from __future__ import annotations

from collections.abc import Mapping

from bench.errors import InputError
from bench.explain.connections import Connection, TlsLayer
from bench.explain.narrow import narrowed
from bench.explain.proxies import Proxies, possible_names
from bench.explain.request import Request
from bench.explain.resources import Sources
from bench.explain.servers import ServerCertificate
from bench.explain.trace import Trace
from bench.explain.tracer import Tracer
from bench.istio.hosts import is_ip
from bench.istio.registry import ProxyView, Registry
from bench.istio.resource import Resources


def explain(
    registry: Registry,
    resources: Resources,
    request: Request,
    proxy: str | None = None,
    certificates: Mapping[str, ServerCertificate] | None = None,
) -> Trace:
    """Follow *request* from *proxy* on, by default from the only sidecar of the inventory.

    *certificates* says of addresses (``host:port``) what is known of the certificate of the server there.
    Only what the request can meet is translated, so that thousands of other hosts cost nothing.

    Raises:
        InputError: no such proxy, or several sidecars and none named.
        UnsupportedError: files alone cannot do what a resource on the way asks for.
    """
    name = proxy if proxy is not None else default_proxy(registry)
    client = registry.proxy(name)
    small = narrowed(registry, request, client)
    connection = client_connection(request, client_address(small, request, name))
    proxies = Proxies(small, Sources(resources, small.services), certificates)
    hop = Tracer(proxies).arrive(name, request, connection)
    return Trace(request, hop)


class Explainer:
    """For many requests: every proxy is translated once, as a whole."""

    def __init__(
        self,
        registry: Registry,
        resources: Resources,
        certificates: Mapping[str, ServerCertificate] | None = None,
    ) -> None:
        """*certificates* as for :func:`explain`."""
        self.proxies = Proxies(registry, Sources(resources, registry.services), certificates)
        self._registry = registry

    def explain(self, request: Request, proxy: str) -> Trace:
        """Follow *request* from *proxy* on; errors as :func:`explain`."""
        connection = client_connection(request, client_address(self._registry, request, proxy))
        return Trace(request, Tracer(self.proxies).arrive(proxy, request, connection))


def client_connection(request: Request, address: str = "") -> Connection:
    """Give the connection on which a client sends *request* to *address*."""
    layers: tuple[TlsLayer, ...] = ()
    if request.has_tls:
        name = request.host
        layers = (TlsLayer("" if is_ip(name.strip("[]")) else name),)
    return Connection(request.port, address, layers, is_http=request.is_http)


def default_proxy(registry: Registry) -> str:
    """Give the only sidecar.

    Raises:
        InputError: there is none, or there are several.
    """
    proxies = registry.inventory.proxies
    sidecars = [name for name, proxy in proxies.items() if proxy.role == "sidecar"]
    if len(sidecars) == 1:
        return sidecars[0]
    if not sidecars and len(proxies) == 1:
        return next(iter(proxies))
    raise InputError(
        f"the inventory has {len(sidecars)} sidecars, so it is not clear where the request starts.",
        remedy=f"Name one with --from: {', '.join(sorted(proxies))}.",
    )


def client_address(registry: Registry, request: Request, name: str) -> str:
    """Give the IP that a client beside the proxy *name* connects to; empty where that is not known."""
    if is_ip(request.destination.strip("[]")):
        return request.destination
    view = ProxyView(registry, name)
    for host in possible_names(request.destination, view.namespace, registry.inventory.domain):
        service = view.service(host)
        if service is not None:
            return next(iter(service.called_addresses), "")
    return ""
