"""The registry: services, rules and routes of a mesh, unified from all resources, as each proxy sees them."""

from bench.istio.registry.build import Registry, build_registry
from bench.istio.registry.destination_rules import MergedRule
from bench.istio.registry.protocols import parse_protocol
from bench.istio.registry.services import (
    ANY_ADDRESS,
    PUBLIC,
    Endpoint,
    Origin,
    Protocol,
    Resolution,
    Service,
    ServicePort,
    is_exported,
)
from bench.istio.registry.view import ProxyView
from bench.istio.registry.virtual_services import BoundVirtualService, PlacedRoute
from bench.istio.registry.workloads import selects

__all__ = [
    "ANY_ADDRESS",
    "PUBLIC",
    "BoundVirtualService",
    "Endpoint",
    "MergedRule",
    "Origin",
    "PlacedRoute",
    "Protocol",
    "ProxyView",
    "Registry",
    "Resolution",
    "Service",
    "ServicePort",
    "build_registry",
    "is_exported",
    "parse_protocol",
    "selects",
]
