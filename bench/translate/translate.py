"""The translation of one proxy: a pure function of the registry."""

from __future__ import annotations

from bench.istio.registry import ProxyView, Registry
from bench.translate.cluster.clusters import build_clusters
from bench.translate.config import (
    ConfigSource,
    ProxyConfig,
    TlsMaterial,
    workload_material,
)
from bench.translate.context import Context
from bench.translate.gateway.listeners import gateway_listeners
from bench.translate.gateway.routes import gateway_route_configs
from bench.translate.gateway.servers import merge_servers
from bench.translate.notices import notice_of
from bench.translate.reachable import reachable_clusters
from bench.translate.semantics import Semantics, semantics_named
from bench.translate.sidecar.listeners import sidecar_listeners


def translate(
    registry: Registry,
    proxy: str,
    *,
    config_source: ConfigSource,
    tls_material: TlsMaterial | None = None,
    semantics: Semantics | None = None,
    only_reachable: bool = False,
) -> ProxyConfig:
    """Translate what *proxy* sees of *registry* into Envoy's resources.

    ``tls_material`` stands in for the files that the inventory names as ``workload``. ``only_reachable``
    leaves out clusters that nothing of this proxy leads to, and their secrets, as does ``clusters:
    reachable`` in the inventory; istiod sends all.
    ``semantics`` overrides the defaults that the inventory's semantics imply, line by line; merging and rule
    lookup always follow the inventory.

    Raises:
        UnsupportedError: files alone, or a proxy without interception, cannot do what a resource asks for.
        InputError: the inventory has no such proxy, or a resource contradicts itself.
    """
    view = ProxyView(registry, proxy)
    context = Context(
        view=view,
        semantics=semantics or semantics_named(registry.inventory.semantics),
        config_source=config_source,
        material=tls_material or workload_material(registry.inventory),
    )
    if view.is_sidecar:
        listeners, routes = sidecar_listeners(context)
    else:
        merged = merge_servers(context)
        listeners, routes = gateway_listeners(context, merged), gateway_route_configs(context, merged)
    only_reachable = only_reachable or registry.inventory.clusters == "reachable"
    only = reachable_clusters(listeners, routes) if only_reachable else None
    built = build_clusters(context, only)
    return ProxyConfig(
        proxy=proxy,
        config_source=config_source,
        listeners=tuple(sorted(listeners, key=lambda each: each.name)),
        routes=tuple(sorted(routes, key=lambda each: each.name)),
        clusters=tuple(each.cluster for each in built),
        endpoints=tuple(each.endpoints for each in built if each.endpoints is not None),
        secrets=context.secrets.secrets(),
        warnings=(*(notice_of(each) for each in registry.notices), *context.warnings),
        origins=context.origins,
    )
