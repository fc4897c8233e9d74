"""Hosts that a sidecar sends to a gateway which does not know them (EB0105, EB0003, EB0107)."""

from __future__ import annotations

from collections.abc import Iterator

from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
)

from bench.check.effects.survey import Survey
from bench.check.effects.uses import Use
from bench.check.finding import Finding, Level
from bench.errors import Position
from bench.explain.connections import Connection, find_chain, find_listener
from bench.explain.proxies import TranslatedProxy
from bench.explain.request import host_of
from bench.istio.hosts import covers, is_wildcard, overlap
from bench.translate.messages import unpack

_MOST_HOSTS = 6
"""Hosts of a gateway that a message names."""


def check_handover(found: Survey) -> Iterator[Finding]:
    """Follow each route of a sidecar to the gateway behind it, and ask for its hosts there.

    Short forms of a host (``nginx.external``), which sidecars accept as well, are not asked for: nobody wrote
    them. The hosts are those of the VirtualServices.
    """
    reported: set[tuple[int, str, str]] = set()
    hosts: Hosts = {}
    for use in found.uses:
        if not use.here.is_sidecar or not use.is_http or use.host is None or not use.has_place:
            continue
        if use.is_mirror:
            continue
        for gateway, connection in _gateways_behind(found, use):
            key = (id(use.source), use.host.name, gateway.name)
            if key in reported:
                continue
            reported.add(key)
            yield from _ask(found, use, gateway, connection, hosts)


def _gateways_behind(found: Survey, use: Use) -> Iterator[tuple[TranslatedProxy, Connection]]:
    cluster = use.here.clusters.find(use.cluster)
    if cluster is None:
        return
    tls = use.here.clusters.tls(cluster)
    by_name = {each.name: each for each in found.translated}
    for endpoint in use.here.clusters.endpoints(cluster):
        name = found.proxies.gateway_at(endpoint.address)
        if name in by_name:
            host, _, port = endpoint.address.rpartition(":")
            sni = (tls.sni or use.sent_host) if tls is not None else ""
            yield by_name[name], Connection(int(port), host.strip("[]"), has_tls=tls is not None, sni=sni)


Hosts = dict[tuple[str, str], "KnownHosts"]
"""Gateway and route configuration -> its hosts."""


def _ask(
    found: Survey, use: Use, gateway: TranslatedProxy, connection: Connection, hosts: Hosts
) -> Iterator[Finding]:
    host = use.sent_host
    # Without a rule of the user's nothing says that anybody calls the gateway's own Service.
    level = Level.ERROR if use.has_rule else Level.INFO
    listener = find_listener(gateway.config.listeners, connection)
    if listener is None:
        yield found.finding(
            level,
            "EB0107",
            place(use),
            reason=f"{use.who} get 503 UF at {use.here.name}, because it sends them to {gateway.name} on "
            f"port {connection.port}, where no Gateway listens.",
            remedy="Add a server with this port to a Gateway, or send to a port that has one.",
        )
        return
    chain = find_chain(listener, connection)
    terminates = chain is not None and chain.transport_socket is not None
    if chain is None or terminates != connection.has_tls:
        speaks = "TLS" if connection.has_tls else "plain text"
        yield found.finding(
            level,
            "EB0107",
            place(use),
            reason=f"{use.who} get 503 at {use.here.name}, because it speaks {speaks} to {gateway.name} on "
            f"port {connection.port}, and no server there expects that for {host}.",
            remedy="Let protocol and tls of the server agree with the DestinationRule for the gateway's "
            "Service.",
        )
        return
    for each in chain.filters if use.has_rule else ():
        manager = unpack(each.typed_config)
        if isinstance(manager, HttpConnectionManager) and manager.rds is not None:
            config = gateway.routes.get(manager.rds.route_config_name or "")
            if config is not None:
                key = (gateway.name, config.name)
                if key not in hosts:
                    hosts[key] = KnownHosts(config)
                yield from _unknown_host(found, use, gateway, hosts[key], host)


def _unknown_host(
    found: Survey, use: Use, gateway: TranslatedProxy, known: KnownHosts, host: str
) -> Iterator[Finding]:
    if known.has(host):
        return
    partly = known.within(host) if is_wildcard(host) else []
    if partly:
        yield found.finding(
            Level.WARNING,
            "EB0003",
            place(use),
            reason=f"{use.here.name} sends all of {host} to {gateway.name}, which only knows "
            f"{', '.join(partly)}: other hosts get 404 NR there.",
            remedy="Bind a VirtualService with the same hosts to the Gateway, or narrow the host here.",
        )
        return
    some = list(known.exact)[:_MOST_HOSTS]
    listed = f"it knows {', '.join(some)}" if some else "nothing is bound to that port"
    more = f" and {len(known.exact) - len(some)} more" if len(known.exact) > len(some) else ""
    yield found.finding(
        Level.ERROR,
        "EB0105",
        place(use),
        reason=f"{use.who} get 404 NR at {gateway.name}, because {use.here.name} sends {host} there and no "
        f"virtual host of {gateway.name} has it: {listed}{more}.",
        remedy=f"Bind a VirtualService with the host {host} to a Gateway whose servers take it.",
    )


def place(use: Use) -> Position:
    """Give the place of a use that has one."""
    where = use.where
    if where is None:
        raise ValueError(f"nothing is noted for {use.who}")
    return where


class KnownHosts:
    """The hosts that a route configuration of a gateway answers for."""

    def __init__(self, config: RouteConfiguration) -> None:
        domains = [
            host_of(domain)
            for virtual_host in config.virtual_hosts
            if (virtual_host.routes or virtual_host.require_tls)
            and not virtual_host.name.startswith("blackhole:")
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
