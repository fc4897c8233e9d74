"""The Compose file of one run: patterns of ``docker/compose.yaml`` with its names, limits and folders."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.errors import StackError
from bench.stack.compose.layout import EXTERNAL, MESH, Layout
from bench.stack.engine import PART_LABEL
from bench.stack.images import COMPOSE_FILE, read_definition
from bench.stack.protocol import ResourceLimits


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine inside a container. Never a single file: a rename would not be seen."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the run."""

    name: str
    pattern: str
    """The service of ``docker/compose.yaml`` that it is made of."""
    part: str
    """The part that it is, or belongs to."""
    image: str
    user: str
    command: Sequence[str]
    mounts: Sequence[Mount] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Network -> address; empty for a service that shares another's network."""
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Network -> further names there."""
    shares: str | None = None
    """The service whose network it shares."""
    after: Sequence[str] = ()
    """Services that are started before it."""
    resource_limits: ResourceLimits = field(default_factory=ResourceLimits)


def write_compose_file(
    path: Path, layout: Layout, services: Sequence[Service], labels: Mapping[str, str]
) -> None:
    """Write the run's Compose file; errors as ``render_compose_file``, and ``OSError``."""
    path.write_text(render_compose_file(layout, services, labels), encoding="utf-8")


def render_compose_file(layout: Layout, services: Sequence[Service], labels: Mapping[str, str]) -> str:
    """The text of the Compose file.

    Raises:
        StackError: ``docker/compose.yaml`` is missing or lacks a pattern.
    """
    patterns = yaml.safe_load(read_definition(COMPOSE_FILE))
    document = {
        "services": {service.name: _service(service, patterns, labels) for service in services},
        "networks": {
            name: {
                **_pattern(patterns, "networks", name),
                "labels": dict(labels),
                "ipam": {"config": [{"subnet": str(layout.subnets[name])}]},
            }
            for name in (MESH, EXTERNAL)
        },
    }
    return yaml.safe_dump(_escaped(document), sort_keys=False, width=110, default_flow_style=None)


def _service(service: Service, patterns: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    made = _pattern(patterns, "services", service.pattern)
    made |= {
        "image": service.image,
        "user": service.user,
        "command": list(service.command),
        "labels": {**labels, PART_LABEL: service.part},
    }
    if service.mounts:
        # The long form: in the short one a colon in a path would end it.
        made["volumes"] = [
            {
                "type": "bind",
                "source": str(mount.source),
                "target": mount.target,
                "read_only": not mount.writable,
            }
            for mount in service.mounts
        ]
    if service.environment:
        made["environment"] = dict(service.environment)
    if service.after:
        made["depends_on"] = list(service.after)
    if service.shares is not None:
        made["network_mode"] = f"service:{service.shares}"
    else:
        made["networks"] = {
            network: {
                "ipv4_address": address,
                **({"aliases": list(names)} if (names := service.aliases.get(network, ())) else {}),
            }
            for network, address in service.addresses.items()
        }
    return made | _limits(service.resource_limits)


def _limits(limits: ResourceLimits) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if limits.cpus is not None:
        written["cpus"] = limits.cpus
    if limits.memory_bytes is not None:
        # No swap, as in Kubernetes: what does not fit is ended, not slowed down.
        written |= {"mem_limit": limits.memory_bytes, "memswap_limit": limits.memory_bytes}
    if limits.cpuset is not None:
        written["cpuset"] = limits.cpuset
    return written


def _pattern(patterns: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    found = (patterns.get(kind) or {}).get(name)
    if not isinstance(found, dict):
        raise StackError(f"{COMPOSE_FILE} has no {kind}.{name}.", remedy="Install egress-bench again.")
    return copy.deepcopy(found)


def _escaped(value: Any) -> Any:
    """Compose replaces ``$NAME`` by variables of the environment."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    return value
