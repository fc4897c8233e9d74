"""Hosts that a sidecar sends to a gateway which does not know them (EB0105, EB0003)."""

from __future__ import annotations

from collections.abc import Iterator

from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
)

from bench.check.effects.handover import is_own_service, place
from bench.check.effects.survey import Survey
from bench.check.effects.uses import Use
from bench.check.finding import Finding, Level
from bench.check.messages import EffectCase
from bench.explain import (
    BLACKHOLE,
    Behind,
    Connection,
    TlsLayer,
    TranslatedProxy,
    find_chain,
    find_listener,
    host_of,
)
from bench.istio.hosts import covers, is_ip, is_wildcard, overlap
from bench.istio.registry import Origin
from bench.message import Message, say
from bench.translate import unpack

_MOST_HOSTS = 6
"""Hosts of a gateway that a message names."""


def check_hosts_at_gateways(found: Survey) -> Iterator[Finding]:
    """Ask the gateway behind each HTTP route of a sidecar for the hosts that are sent there.

    Short forms of a host (``nginx.external``), which sidecars accept as well, are not asked for: nobody wrote
    them. The hosts are those of the VirtualServices, and the addresses that a ServiceEntry gives them.
    """
    reported: set[tuple[int, str, str]] = set()
    hosts: dict[tuple[str, str], KnownHosts] = {}
    by_name = {each.name: each for each in found.translated}
    for use, behind in found.handed_over:
        if not use.is_http or use.host is None or use.is_mirror or behind.proxy not in by_name:
            continue
        key = (id(use.source), use.host.name, behind.proxy)
        if key in reported or is_own_service(found, use, behind):
            continue
        reported.add(key)
        gateway = by_name[behind.proxy]
        for config in _route_configs(gateway, use, behind):
            known = hosts.setdefault((gateway.name, config.name), KnownHosts(config))
            yield from _unknown_host(found, use, gateway, known)
            yield from _unknown_address(found, use, gateway, known)


def _route_configs(gateway: TranslatedProxy, use: Use, behind: Behind) -> Iterator[RouteConfiguration]:
    cluster = use.here.clusters.find(use.cluster)
    tls = use.here.clusters.tls(cluster) if cluster is not None else None
    layers = (TlsLayer(tls.sent_sni(use.sent_host), use.here.name),) if tls is not None else ()
    host, _, port = behind.address.rpartition(":")
    connection = Connection(int(port), host.strip("[]"), layers)
    listener = find_listener(gateway.config.listeners, connection)
    chain = find_chain(listener, connection) if listener is not None else None
    if chain is None or (chain.transport_socket is not None) != bool(layers):
        return
    for each in chain.filters:
        manager = unpack(each.typed_config)
        if isinstance(manager, HttpConnectionManager) and manager.rds is not None:
            config = gateway.routes.get(manager.rds.route_config_name or "")
            if config is not None:
                yield config


def _unknown_host(found: Survey, use: Use, gateway: TranslatedProxy, known: KnownHosts) -> Iterator[Finding]:
    host = use.sent_host
    if known.has(host):
        return
    partly = known.within(host) if is_wildcard(host) else []
    if partly:
        yield found.finding(
            Level.WARNING,
            "EB0003",
            place(use),
            say(
                EffectCase.HOSTS_PARTLY_KNOWN,
                proxy=use.here.name,
                host=host,
                gateway=gateway.name,
                known=tuple(partly),
            ),
        )
        return
    yield found.finding(
        Level.ERROR if use.has_rule else Level.WARNING,
        "EB0105",
        place(use),
        say(
            EffectCase.HOST_UNKNOWN,
            who=use.who,
            gateway=gateway.name,
            proxy=use.here.name,
            host=host,
            knowledge=_knowledge(known),
        ),
    )


def _knowledge(known: KnownHosts) -> Message:
    some = tuple(known.exact)[:_MOST_HOSTS]
    if not some:
        return say(EffectCase.KNOWS_NOTHING)
    if len(known.exact) == len(some):
        return say(EffectCase.KNOWS, hosts=some)
    return say(EffectCase.KNOWS_MORE, hosts=some, more=len(known.exact) - len(some))


def _unknown_address(
    found: Survey, use: Use, gateway: TranslatedProxy, known: KnownHosts
) -> Iterator[Finding]:
    """Report addresses by which the sidecar takes the host and the gateway does not."""
    if use.host is None or use.rewrites_host or is_ip(use.sent_host.strip("[]")):
        return
    taken = dict.fromkeys(host_of(domain) for domain in use.host.domains)
    if not known.has(use.sent_host):
        return
    written = {
        address
        for service in use.here.view.registry.services
        if service.host == use.sent_host and service.origin is Origin.SERVICE_ENTRY
        for address in service.addresses
    }
    addresses = [host for host in taken if host.strip("[]") in written and not known.has(host)]
    if not addresses:
        return
    yield found.finding(
        Level.WARNING,
        "EB0003",
        place(use),
        say(
            EffectCase.ADDRESS_UNKNOWN,
            host=use.sent_host,
            addresses=tuple(addresses),
            gateway=gateway.name,
            proxy=use.here.name,
        ),
    )


class KnownHosts:
    """The hosts that a route configuration of a gateway answers for."""

    def __init__(self, config: RouteConfiguration) -> None:
        domains = [
            host_of(domain)
            for virtual_host in config.virtual_hosts
            if (virtual_host.routes or virtual_host.require_tls)
            and not virtual_host.name.startswith(BLACKHOLE)
            for domain in virtual_host.domains
        ]
        self.exact = dict.fromkeys(domains)
        self._wildcards = [domain for domain in self.exact if is_wildcard(domain)]

    def has(self, host: str) -> bool:
        """Tell whether all of *host* is answered for."""
        return host in self.exact or any(covers(wildcard, host) for wildcard in self._wildcards)

    def within(self, wildcard: str) -> list[str]:
        """Give the hosts that *wildcard* covers."""
        return [host for host in self.exact if overlap(host, wildcard)]
