"""Which place in the YAML caused which message: a side table, so that Envoy's files stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import betterproto2

from bench.errors import Position

Place = Position | Callable[[], Position]
"""A place, or how to find it: finding lines costs time, and most are never asked for."""


class Origins:
    """Places of messages, distinguished by identity and not by content.

    Only the very messages of one translation are known: a copy, or one that was read back, has no origin.
    """

    def __init__(self) -> None:
        self._places: dict[int, tuple[betterproto2.Message, dict[str, tuple[Place, ...]]]] = {}

    def note(self, message: betterproto2.Message, **places: Place | tuple[Place, ...]) -> None:
        """Note the *places* that caused *message*, each under the part that it plays (``rule``, ``tls``).

        Several places can play one part, such as the servers that share a port.
        """
        _, known = self._places.setdefault(id(message), (message, {}))
        known.update(
            {part: place if isinstance(place, tuple) else (place,) for part, place in places.items()}
        )

    def parts(self, message: betterproto2.Message) -> frozenset[str]:
        """Give the parts that are noted for *message*, without looking for their lines."""
        found = self._places.get(id(message))
        return frozenset() if found is None else frozenset(found[1])

    def of(self, message: betterproto2.Message) -> Mapping[str, Position]:
        """Give the first place of each part of *message*; empty when nothing was noted."""
        found: dict[str, Position] = {}
        for part, position in self.all_of(message):
            found.setdefault(part, position)
        return found

    def first(self, message: betterproto2.Message, *parts: str) -> Position | None:
        """Give the first place of the first of *parts* that *message* has; looks for no other line."""
        found = self._places.get(id(message))
        for part in parts if found is not None else ():
            for place in found[1].get(part, ()) if found is not None else ():
                return place() if callable(place) else place
        return None

    def all_of(self, message: betterproto2.Message) -> Iterator[tuple[str, Position]]:
        """Give every place of *message* with its part."""
        found = self._places.get(id(message))
        for part, places in found[1].items() if found is not None else ():
            for place in places:
                yield part, place() if callable(place) else place
