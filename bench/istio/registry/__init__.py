"""The registry: services, rules and routes of a mesh, unified from all resources, as each proxy sees them."""

from bench.istio.registry.build import Registry, build_registry
from bench.istio.registry.view import ProxyView

__all__ = ["ProxyView", "Registry", "build_registry"]
