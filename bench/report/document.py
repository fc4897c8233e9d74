"""A report before it has a form: sections of tables, facts, charts and notes, in reading order.

HTML and Markdown are made from the same document, so they cannot show different numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Mark = Literal["good", "bad", "plain"]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings; columns from ``numbers_from`` on hold numbers and are set right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numbers_from: int = 1
    marks: tuple[Mark, ...] = ()
    """One for each row, or none at all."""
    total_row: bool = False
    """The last row is the sum of the others."""
    mark_column: int | None = None
    """The column that shows a row's mark."""
    folded: str = ""
    """Shown only when asked for, behind this line; empty: shown at once."""

    def mark(self, row: int) -> Mark:
        """How the row came out."""
        return self.marks[row] if self.marks else "plain"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    pairs: tuple[tuple[str, str], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture: only HTML shows it; its numbers are in a table, too."""

    name: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph."""

    text: str
    mark: Mark = "plain"


@dataclass(frozen=True, slots=True)
class Listing:
    """Text as it was sent or received, line by line."""

    caption: str
    text: str


Part = Table | Facts | Chart | Note | Listing


@dataclass(frozen=True, slots=True)
class Section:
    """One heading and what is below it."""

    anchor: str
    title: str
    parts: tuple[Part, ...]
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the five questions, answered in a sentence, with the section that proves it."""

    question: str
    text: str
    anchor: str | None
    mark: Mark = "plain"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number worth reading first."""

    label: str
    value: str
    note: str
    mark: Mark = "plain"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture for the first page, for screens and for phones; its message is its text."""

    title: str
    message: str
    wide: str
    tall: str


class Headline(Protocol):
    """What it all comes to."""

    @property
    def state(self) -> str:
        """One word or two; also the name of its colour in the style."""

    @property
    def sentence(self) -> str:
        """Why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    description: str
    byline: tuple[tuple[str, str], ...]
    verdict: Headline
    figures: tuple[Figure, ...]
    answers: tuple[Answer, ...]
    sections: tuple[Section, ...]
    source: str = "result.json and samples/ beside this file"
    """What it was made from."""
    drawing: Drawing | None = None
    """Below the answers."""
