"""One finding of the analyzer, as data; its words are made where somebody reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bench.errors import Position
from bench.istio.problem import Path
from bench.istio.resource import Resource
from bench.message import Message


class Level(IntEnum):
    """How bad a finding is. ``ERROR``: some request goes wrong, or the resource is refused."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """``error``, ``warning`` or ``info``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about the user's YAML."""

    level: Level
    code: str
    """``IST....``: Istio's own; ``EB....``: of this suite."""
    position: Position
    resource: str
    """``VirtualService shop/web``; for what is not the fault of one resource, the one to change."""
    message: Message
    """What is wrong and what to do about it: a case with its data."""

    @property
    def reason(self) -> str:
        """What is wrong, for people."""
        return self.message.reason

    @property
    def remedy(self) -> str:
        """What to do about it, for people."""
        return self.message.remedy

    def __str__(self) -> str:
        resource = f"{self.resource}: " if self.resource else ""
        return f"{self.position}: {self.level.word} {self.code} {resource}{self.reason} {self.remedy}"


def finding(level: Level, code: str, resource: Resource[Any], path: Path, message: Message) -> Finding:
    """Make a finding about the field of *resource* at *path*, counted from the top of the object."""
    return Finding(level, code, resource.position(path), resource.title, message)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once: by file and line, the worst of a line first."""
    unique = {(str(each), each.level, each.code): each for each in findings}
    return tuple(
        sorted(unique.values(), key=lambda f: (f.position.file, f.position.line, -f.level, f.code, f.reason))
    )
