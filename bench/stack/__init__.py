"""Where Envoy and nginx run: what a stack is told and what it promises. Its rooms have faces of their own."""

from bench.stack.faults import ComponentFaults, NetworkFaults
from bench.stack.protocol import (
    GENERATOR,
    ClientPlace,
    Component,
    ControlPlane,
    ControlState,
    NodeSpec,
    NodeTls,
    ProxySpec,
    ResourceLimits,
    Stack,
    StackSpec,
)

__all__ = [
    "GENERATOR",
    "ClientPlace",
    "Component",
    "ComponentFaults",
    "ControlPlane",
    "ControlState",
    "NetworkFaults",
    "NodeSpec",
    "NodeTls",
    "ProxySpec",
    "ResourceLimits",
    "Stack",
    "StackSpec",
]
