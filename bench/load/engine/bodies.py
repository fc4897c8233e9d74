"""Bodies that were seen whole and had the right digest: comparing with them costs a tenth of hashing."""

from __future__ import annotations

from typing import Final

MOST_BYTES: Final = 32 << 20
"""Of all remembered bodies of one worker together."""


class Bodies:
    """Right bodies by their SHA-256 (hex), for all kinds of requests of one worker."""

    __slots__ = ("_bodies", "_size")

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}
        self._size = 0

    def has_room(self, size: int) -> bool:
        """Whether a body of *size* bytes could be remembered."""
        return self._size + size <= MOST_BYTES

    def remember(self, digest: str, body: bytes) -> None:
        """Keep *body*, whose digest was found to be right, if there is room."""
        if digest not in self._bodies and self.has_room(len(body)):
            self._bodies[digest] = body
            self._size += len(body)

    def known(self, digests: frozenset[str]) -> dict[str, bytes] | None:
        """The bodies of all *digests*; None if one of them has not been seen."""
        known = self._bodies
        return {digest: known[digest] for digest in digests} if digests <= known.keys() else None
