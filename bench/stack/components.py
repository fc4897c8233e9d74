"""What every stack knows of its running parts, whatever they are made of."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bench.errors import StackError
from bench.placement import Placement
from bench.stack.protocol import Component, ControlPlane, StackSpec


class ComponentTable(abc.ABC):
    """The running parts by name; as a context it starts and stops them. See ``Stack`` for the promises."""

    def __init__(self, spec: StackSpec) -> None:
        self.spec = spec
        self._components: dict[str, Component] = {}
        self._placements: dict[str, Placement] = {}

    @abc.abstractmethod
    def start(self) -> None:
        """Start everything and return when each part answers."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop everything in reverse order. Safe to call twice."""

    def components(self) -> Sequence[Component]:
        """The running parts, in the order in which they were started."""
        return tuple(self._components.values())

    def component(self, name: str) -> Component:
        """One part by its name."""
        try:
            return self._components[name]
        except KeyError:
            raise StackError(f"stack {self.spec.name} has no running part called {name}.") from None

    def control_plane(self) -> ControlPlane | None:
        """What feeds its proxies; None: files do."""
        return None

    def placement(self, proxy: str) -> Placement:
        """The placement that the proxy's files were rendered for."""
        try:
            return self._placements[proxy]
        except KeyError:
            raise StackError(f"stack {self.spec.name} has no running proxy called {proxy}.") from None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
