"""Hosts whose connections another service's filter chain takes (EB0113, EB0116)."""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.effects.survey import Survey
from bench.check.effects.uses import Use
from bench.check.finding import Finding, Level
from bench.check.messages import EffectCase
from bench.errors import Position
from bench.explain import ANY_ADDRESS, TranslatedProxy, socket_of
from bench.istio.cluster_names import parse_cluster_name
from bench.istio.hosts import covers, is_wildcard
from bench.istio.registry import PUBLIC, Protocol, Resolution, Service, ServicePort
from bench.message import say

_SILENT = frozenset({Protocol.MONGO, Protocol.MYSQL, Protocol.REDIS})
"""Plain TCP by other names, of which istioctl (IST0134) says nothing."""


def check_shared_listeners(found: Survey) -> Iterator[Finding]:
    """EB0113: TCP without an address has one listener for each port, and only one service gets it.

    Where HTTP listens on the port as well, connections that are not HTTP still reach the service.
    """
    reported: set[Position] = set()
    for here in found.translated:
        if not here.is_sidecar:
            continue
        led_to = _led_to(found, here)
        http_ports = {use.port for use in found.uses if use.here is here and use.is_http}
        for service, port in _without_address(here):
            where = service.locate_port(port)()
            taker = led_to.get(port.number)
            if where in reported:
                continue
            if taker is None or taker == service.host:
                if taker == service.host and port.protocol in _SILENT and port.number not in http_ports:
                    reported.add(where)
                    yield found.finding(
                        Level.WARNING if service.export_to >= PUBLIC else Level.INFO,
                        "EB0113",
                        where,
                        say(
                            EffectCase.LISTENER_TAKES_ALL,
                            port=port.number,
                            proxy=here.name,
                            host=service.host,
                        ),
                    )
                if port.number in http_ports and taker == service.host:
                    reported.add(where)
                    yield found.finding(
                        Level.WARNING,
                        "EB0113",
                        where,
                        say(EffectCase.PORT_IS_HTTP, port=port.number, proxy=here.name, host=service.host),
                    )
                continue
            reported.add(where)
            yield found.finding(
                Level.WARNING,
                "EB0113",
                where,
                say(
                    EffectCase.LISTENER_TAKEN,
                    host=service.host,
                    port=port.number,
                    taker=taker,
                    proxy=here.name,
                ),
            )


def _led_to(found: Survey, here: TranslatedProxy) -> dict[int, str]:
    """Port -> the host to which connections without any sign of their own go."""
    hosts: dict[int, str] = {}
    for listener in here.config.listeners:
        address, port = socket_of(listener)
        if address not in ANY_ADDRESS:
            continue
        for use in found.uses:
            if use.here is here and use.port == port and not use.is_http and not use.server_names:
                chain = use.source
                place = here.config.origins.first(chain, "service")
                owner = _owner(here, port, place)
                if owner is not None and not _has_address(use):
                    hosts.setdefault(port, owner)
    return hosts


def _has_address(use: Use) -> bool:
    match = getattr(use.source, "filter_chain_match", None)
    return match is not None and bool(match.prefix_ranges)


def _owner(here: TranslatedProxy, number: int, place: Position | None) -> str | None:
    for service in here.view.services if place is not None else ():
        port = service.port(number)
        if port is not None and service.locate_port(port)() == place:
            return service.host
    return None


def _without_address(here: TranslatedProxy) -> Iterator[tuple[Service, ServicePort]]:
    for service in here.view.services:
        if service.addresses or service.is_headless or service.resolution is Resolution.PASSTHROUGH:
            continue
        for port in service.ports:
            if port.protocol.is_tcp and not port.protocol.is_tls:
                yield service, port


def check_replaced_chains(found: Survey) -> Iterator[Finding]:
    """EB0116: a TLS rule for a host below a wildcard service takes the wildcard's own way away."""
    reported: set[Position] = set()
    for here in found.translated:
        if not here.is_sidecar:
            continue
        taken = [use for use in found.uses if use.here is here and use.server_names and use.has_rule]
        for service in here.view.services:
            if not is_wildcard(service.host):
                continue
            for port in service.ports:
                if not port.protocol.is_tls or _keeps_its_chain(found, here, service, port):
                    continue
                for use in taken:
                    below = [
                        name
                        for name in use.server_names
                        if name != service.host and covers(service.host, name)
                    ]
                    where = use.where
                    if use.port != port.number or not below or where is None or where in reported:
                        continue
                    reported.add(where)
                    yield found.finding(
                        Level.WARNING,
                        "EB0116",
                        where,
                        say(
                            EffectCase.CHAIN_REPLACED,
                            names=tuple(below),
                            proxy=here.name,
                            host=service.host,
                            port=port.number,
                        ),
                    )


def _keeps_its_chain(found: Survey, here: TranslatedProxy, service: Service, port: ServicePort) -> bool:
    for use in found.uses:
        if use.here is here and use.port == port.number and service.host in use.server_names:
            return True
        named = parse_cluster_name(use.cluster)
        if use.here is not here or use.has_rule or named is None:
            continue
        if (named.host, named.port) == (service.host, port.number):
            return True
    return False
