"""Who asks the engine for a name that it does not know gets no answer, and waits for none here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.stack import ClientPlace

ONCE: Mapping[str, str] = {"RES_OPTIONS": "timeout:1 attempts:1"}
"""Variables by which the C library asks once, and for a second; by itself it asks twice, for five."""


@dataclass(frozen=True)
class AskingOnce:
    """A place whose programs look names up so."""

    place: ClientPlace

    def command(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """See ``ClientPlace``."""
        return self.place.command(name, arguments, {**environment, **ONCE})

    def give(self, file: Path) -> str:
        """See ``ClientPlace``."""
        return self.place.give(file)
