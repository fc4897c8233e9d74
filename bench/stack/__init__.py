"""Where Envoy and nginx run: what a stack is given and what it promises. Its rooms have their own faces.

Most who come by want one of the rooms (a binary, a signal), as every command does: the promises are imported
when one of them is asked for.
"""

from typing import TYPE_CHECKING

from bench.lazy_face import lazily

if TYPE_CHECKING:
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

__getattr__ = lazily(
    __name__, dict.fromkeys(__all__, "protocol") | {"ComponentFaults": "faults", "NetworkFaults": "faults"}
)
