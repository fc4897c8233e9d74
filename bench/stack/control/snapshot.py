"""What a proxy is to have: resources by type and name, each with its version and its bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.translate import TYPE_URLS, wire_of_plain

ORDER = (TYPE_URLS["clusters"], TYPE_URLS["endpoints"], TYPE_URLS["listeners"], TYPE_URLS["routes"])
"""Warming order, make before break: a listener's route leads to clusters that are there, with endpoints.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol, eventual consistency.
"""
CLUSTERS, ENDPOINTS, LISTENERS, ROUTES = ORDER
COMPLETE = frozenset({CLUSTERS, LISTENERS})
"""Types of which a state-of-the-world response must hold everything: what is missing is removed."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it goes onto the wire."""

    version: str
    """A hash of its content: equal content keeps its version."""
    packed: bytes
    """A ``google.protobuf.Any``."""


@dataclass(frozen=True, slots=True)
class Kind:
    """All resources of one type."""

    version: str = ""
    """A hash of all of them."""
    resources: Mapping[str, Resource] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one proxy is to have."""

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """Type URL -> its resources."""

    def kind(self, type_url: str) -> Kind:
        """The resources of one type; none of a type that is not served."""
        return self.kinds.get(type_url, Kind())

    def updated(self, folder: Path, kinds: Iterable[str]) -> Snapshot:
        """Give the snapshot with the files of *kinds* in *folder* read again.

        Raises:
            OSError, ValueError: a file cannot be read, or holds what is not a resource.
        """
        fresh = {
            TYPE_URLS[kind]: read_kind(folder / f"{kind}.json", self.kind(TYPE_URLS[kind])) for kind in kinds
        }
        return Snapshot({**self.kinds, **fresh})


def read_kind(path: Path, known: Kind) -> Kind:
    """Read one file; what has not changed since *known* is not packed again."""
    resources: dict[str, Resource] = {}
    digest = hashlib.sha256()
    for line in resource_lines(path.read_text(encoding="utf-8")):
        version = hashlib.sha256(line.encode()).hexdigest()[:16]
        plain = json.loads(line)
        name = plain.get("name") or plain.get("cluster_name")
        if not isinstance(name, str) or name in resources:
            raise ValueError(f"{path}: a resource without a name of its own: {line[:80]}")
        before = known.resources.get(name)
        is_same = before is not None and before.version == version
        resources[name] = (
            before if before is not None and is_same else Resource(version, wire_of_plain(plain))
        )
        digest.update(version.encode())
    return Kind(digest.hexdigest()[:16], resources)


def resource_lines(text: str) -> Iterable[str]:
    """Give the resources of a file, each of which is on a line of its own."""
    for line in text.splitlines():
        if line.startswith('{"@type"'):
            yield line.removesuffix(",")
