"""Where Envoy and nginx run: what a stack is given and what it promises. Its rooms have their own faces."""

from bench.stack.faults import ComponentFaults, NetworkFaults
from bench.stack.protocol import (
    GENERATOR,
    ClientPlace,
    Component,
    ControlPlane,
    ControlState,
    HotRestart,
    HotRestarting,
    NodeBehaviour,
    NodeProtocol,
    NodeSpec,
    NodeTls,
    NodeTlsOptions,
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
    "ControlPlane",
    "ControlState",
    "HotRestart",
    "HotRestarting",
    "NetworkFaults",
    "NodeBehaviour",
    "NodeProtocol",
    "NodeSpec",
    "NodeTls",
    "NodeTlsOptions",
    "ProxySpec",
    "ResourceLimits",
    "Stack",
    "StackSpec",
    "replicas_of",
]
