"""What is wrong with the user's YAML, collected so that one run shows all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from bench.errors import InputError, Position

Path = tuple[str | int, ...]
"""The way to a field from the top of a document: ``("spec", "http", 0, "timeout")``."""

Stage = Literal["reading", "schema", "webhook"]
"""Who refuses: this loader; the API server, by the definition of the resource; istiod."""


class Code(StrEnum):
    """What kind of problem it is; decisions hang on this, never on the words."""

    REFUSED = "refused"
    """A cluster, or this suite, refuses the resource."""
    UNREADABLE = "unreadable"
    """Not YAML, not a resource, or not text: nothing can be said of what is there."""
    NOT_READ = "not-read"
    """A file that is left alone, since it is not a regular file."""
    SKIPPED_KIND = "skipped-kind"
    """A resource of a kind that this suite does not model."""
    UNKNOWN_METADATA = "unknown-metadata"
    """A field of ``metadata`` that Kubernetes does not know and drops."""
    ADMITTED_WITH_WARNING = "admitted-with-warning"
    """istiod's webhook accepts it and warns."""
    NO_EFFECT = "no-effect"
    """Istio accepts it and does nothing with it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where, what, and what to do about it."""

    where: Position
    what: str
    """Without the name of the resource."""
    remedy: str | None = None
    stage: Stage = field(default="reading", compare=False)
    resource: str = field(default="", compare=False)
    """``VirtualService shop/web``; empty when the fault is of no resource."""
    code: Code = field(default=Code.REFUSED, compare=False)
    path: Path = field(default=(), compare=False)
    """The field within the resource."""

    @property
    def sentence(self) -> str:
        """What is wrong, with the resource."""
        return f"{self.resource}: {self.what}" if self.resource else self.what

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}{f' {self.remedy}' if self.remedy else ''}"


class InvalidResourcesError(InputError):
    """The YAML has faults: one line for each, in the order of files and lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        if len(self.problems) == 1:
            super().__init__(first.sentence, where=first.where, remedy=first.remedy)
        else:
            lines = "\n".join(f"  {problem}" for problem in self.problems)
            super().__init__(f"{len(self.problems)} problems in the Istio YAML:\n{lines}")


def path_text(path: Sequence[str | int]) -> str:
    """``spec.http[0].timeout``; a key with dots or slashes is in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and all(c.isalnum() or c in "_-@$" for c in part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text
