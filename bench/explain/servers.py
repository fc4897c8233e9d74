"""Which names the certificates of known servers have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What is known of the certificate of one server."""

    owner: str
    """The server, for messages."""
    names: tuple[str, ...]
    """Its subject alternative names, without their type."""

    def has_name(self, name: str) -> bool:
        """Return whether a client that demands *name* is content; ``*.`` takes the place of one label."""
        wanted = name.lower()
        for mine in (each.lower() for each in self.names):
            if mine == wanted:
                return True
            if mine.startswith("*.") and wanted.partition(".")[2] == mine[2:] and "://" not in wanted:
                return True
        return False
