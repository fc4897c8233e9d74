"""The stack as containers: the same path, with an address, a network and limits for each part."""

from bench.stack.compose.command import find_compose, find_docker
from bench.stack.compose.faults import ContainerFaults
from bench.stack.compose.stack import ComposeStack

__all__ = ["ComposeStack", "ContainerFaults", "find_compose", "find_docker"]
