"""Where Envoy and nginx run: what a stack is told and what it promises. Its rooms have faces of their own."""

from bench.stack.faults import ComponentFaults, NetworkFaults
from bench.stack.protocol import (
    GENERATOR,
    ClientPlace,
    Component,
    NodeSpec,
    NodeTls,
    ProxySpec,
    ResourceLimits,
    Stack,
    StackSpec,
    replicas_of,
)

__all__ = [
    "GENERATOR",
    "ClientPlace",
    "Component",
    "ComponentFaults",
    "NetworkFaults",
    "NodeSpec",
    "NodeTls",
    "ProxySpec",
    "ResourceLimits",
    "Stack",
    "StackSpec",
    "replicas_of",
]
