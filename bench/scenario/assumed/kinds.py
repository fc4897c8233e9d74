"""An inventory that was not written, and why each part of it is as it is."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import Position
from bench.istio.inventory import Inventory
from bench.istio.problem import Path


@dataclass(frozen=True, slots=True)
class Assumption:
    """One thing that the YAML does not say."""

    path: Path
    """The field of the inventory that it is about."""
    what: str
    """A sentence: what was assumed, and why."""
    where: Position | None = None
    """What in the YAML made it necessary; None for what holds for all of it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where is not None else self.what


@dataclass(frozen=True, slots=True)
class Assumed:
    """An inventory, with all that was assumed in it."""

    inventory: Inventory
    assumptions: tuple[Assumption, ...]
    services: tuple[Position, ...] = ()
    """Where the YAML names each of the inventory's Services."""
