"""Which place in the YAML caused which message: a side table, so that Envoy's files stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import betterproto2

from bench.errors import Position

Place = Position | Callable[[], Position]
"""A place, or how to find it: finding lines costs time, and most are never asked for."""


class Origins:
    """Places of messages, told apart by identity and not by content.

    Only the very messages of one translation are known: a copy, or one that was read back, has no origin.
    """

    def __init__(self) -> None:
        self._places: dict[int, tuple[betterproto2.Message, dict[str, Place]]] = {}

    def note(self, message: betterproto2.Message, **places: Place) -> None:
        """Note the *places* that caused *message*, each under the part that it plays (``rule``, ``tls``)."""
        _, known = self._places.setdefault(id(message), (message, {}))
        known.update(places)

    def parts(self, message: betterproto2.Message) -> frozenset[str]:
        """Give the parts that are noted for *message*, without looking for their lines."""
        found = self._places.get(id(message))
        return frozenset() if found is None else frozenset(found[1])

    def of(self, message: betterproto2.Message) -> Mapping[str, Position]:
        """Give the places of *message* by their part; empty when nothing was noted."""
        found = self._places.get(id(message))
        if found is None:
            return {}
        return {part: place() if callable(place) else place for part, place in found[1].items()}
