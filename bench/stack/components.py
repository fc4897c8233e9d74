"""What every stack knows of its running parts, whatever they are made of."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator, Sequence
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

    def check_alive(self) -> None:
        """Raise ``StackError`` that names stack and part, with its last output, if a part has died."""
        with self.named():
            self._check_parts()

    @abc.abstractmethod
    def _check_parts(self) -> None:
        """Raise ``StackError`` that names the part if one has died."""

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Put the stack's name before what is said of its parts: several run side by side."""
        try:
            yield
        except StackError as error:
            raise error.about(f"stack {self.spec.name}") from error

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
