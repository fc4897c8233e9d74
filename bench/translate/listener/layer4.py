"""TCP and TLS connections of a sidecar that are passed on as they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from envoy_data_plane.envoy.config.listener.v3 import FilterChain

from bench.istio.hosts import MESH
from bench.istio.models import L4MatchAttributes, TLSMatchAttributes
from bench.istio.registry import ANY_ADDRESS, BoundVirtualService, Resolution, Service, ServicePort
from bench.translate.context import Context
from bench.translate.listener.chains import chain_match
from bench.translate.listener.filters import service_filters, sni_lookup, tcp_filters


def _holds(context: Context, match: L4MatchAttributes | TLSMatchAttributes, port: int) -> bool:
    """Decide the conditions that are settled before any connection; unlike for HTTP, all of them count."""
    if match.gateways and MESH not in match.gateways:
        return False
    if not match.source_labels.items() <= context.view.proxy.labels.items():
        return False
    if match.port and match.port != port:
        return False
    return not match.source_namespace or match.source_namespace == context.view.namespace


def tcp_chains(
    context: Context,
    service: Service,
    port: ServicePort,
    virtual_services: Sequence[BoundVirtualService],
    *,
    blocks: Sequence[str],
) -> list[FilterChain]:
    """Build the chains of a TCP port; *blocks* are the CIDR blocks that the service covers.

    The first rule without destination subnets ends the search; without one the service itself comes last.
    """
    chains: list[FilterChain] = []
    for virtual_service in virtual_services:
        for index, route in enumerate(virtual_service.tcp):
            holding = [match for match in route.match if _holds(context, match, port.number)]
            if route.match and not holding:
                continue
            filters = tcp_filters(
                context,
                route.route,
                port=port.number,
                protocol=port.protocol,
                stat_prefix=f"{virtual_service.name}.{virtual_service.namespace}",
            )
            subnets: list[str] = []
            for match in holding:
                if not match.destination_subnets:
                    subnets = []
                    break
                subnets += match.destination_subnets
            chain = FilterChain(filter_chain_match=chain_match(subnets=subnets or blocks), filters=filters)
            rule = partial(virtual_service.locate_rule, "tcp", index)
            context.origins.note(chain, service=service.locate_port(port), rule=rule)
            chains.append(chain)
            if not subnets:
                return chains
    filters = service_filters(context, service.host, port.number, port.protocol)
    chain = FilterChain(filter_chain_match=chain_match(subnets=blocks), filters=filters)
    context.origins.note(chain, service=service.locate_port(port))
    chains.append(chain)
    return chains


def tls_chains(
    context: Context,
    service: Service,
    port: ServicePort,
    virtual_services: Sequence[BoundVirtualService],
    *,
    blocks: Sequence[str],
    bind: str,
) -> list[FilterChain]:
    """Build the chains of a TLS port that is passed through.

    A rule whose SNI matches takes the place of the service's own chain. On an address that several services
    share, that one only takes connections that name the service.
    """
    chains: list[FilterChain] = []
    seen: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for virtual_service in virtual_services:
        for index, route in enumerate(virtual_service.tls):
            for match in route.match:
                key = match.sni_hosts, match.destination_subnets
                if not _holds(context, match, port.number) or key in seen:
                    continue
                seen.add(key)
                # As in istiod, a match's own subnets also hold for the matches after it.
                blocks = match.destination_subnets or blocks
                filters = tcp_filters(
                    context,
                    route.route,
                    port=port.number,
                    protocol=port.protocol,
                    stat_prefix=f"{virtual_service.name}.{virtual_service.namespace}",
                )
                condition = chain_match(server_names=match.sni_hosts, subnets=blocks)
                chain = FilterChain(filter_chain_match=condition, filters=filters)
                rule = partial(virtual_service.locate_rule, "tls", index)
                context.origins.note(chain, service=service.locate_port(port), rule=rule)
                chains.append(chain)
    if chains:
        return chains
    names = [service.host] if bind == ANY_ADDRESS else []
    filters = service_filters(context, service.host, port.number, port.protocol)
    if service.resolution is Resolution.DYNAMIC_DNS:
        filters.insert(0, sni_lookup(service.host, port.number))
    chain = FilterChain(filter_chain_match=chain_match(server_names=names, subnets=blocks), filters=filters)
    context.origins.note(chain, service=service.locate_port(port))
    return [chain]
