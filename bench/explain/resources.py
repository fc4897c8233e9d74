"""From a place in a file to the resource that is there."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cached_property

from bench.errors import Position
from bench.explain.trace import Origin
from bench.istio.registry import Origin as Declared
from bench.istio.registry import Service
from bench.istio.resource import Resources


class Sources:
    """Knows which resource each place belongs to."""

    def __init__(self, resources: Resources, services: Iterable[Service] = ()) -> None:
        self._services = tuple(services)
        by_file: dict[str, list[tuple[int, int, str]]] = {}
        for resource in resources:
            first = (resource.document.first_line, 0)
            if resource.root:
                place = resource.position()
                first = (place.line, place.column)
            by_file.setdefault(resource.document.file, []).append((*first, resource.title))
        self._by_file = {file: sorted(starts) for file, starts in by_file.items()}

    def origins(self, places: Mapping[str, Position] | Iterable[tuple[str, Position]]) -> tuple[Origin, ...]:
        """Name the resources at *places*; what is twice is named once."""
        found: dict[tuple[str, Position], Origin] = {}
        for part, position in places.items() if isinstance(places, Mapping) else places:
            title = self.title(position)
            found.setdefault((title, position), Origin(part, title, position))
        return tuple(found.values())

    def title(self, position: Position) -> str:
        """Give the resource at *position*: the last one that begins before it."""
        starts = self._by_file.get(position.file)
        if starts is None:
            return self._of_inventory.get(position, "")
        column = position.column or sys.maxsize
        index = bisect_right(starts, (position.line, column, "\uffff"))
        return starts[index - 1][2] if index else ""

    @cached_property
    def _of_inventory(self) -> dict[Position, str]:
        """Services that stand in no YAML of the user's but in the inventory."""
        return {
            service.where: f"{service.origin.value} {service.namespace}/{service.name}"
            for service in self._services
            if service.origin is Declared.KUBERNETES
        }
