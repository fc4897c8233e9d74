"""Findings of the analyzer for people: a paragraph each on a terminal, a line each in a log."""

from __future__ import annotations

import textwrap

from bench.check import Finding

_WIDEST = 100
"""Columns of the widest line: longer ones are hard to read, however wide the terminal is."""
_NARROWEST = 40
_INDENT = "  "
_REMEDY = "  → "


def finding_line(finding: Finding) -> str:
    """Write ``file:line: level code resource: reason remedy``, to be searched and read by editors."""
    return str(finding)


def finding_paragraph(finding: Finding, *, width: int) -> list[str]:
    """Write a heading that begins with the level, then place, reason and remedy within *width* columns.

    A place or a word that is longer than that stays whole, so that it can be copied.
    """
    columns = min(max(width, _NARROWEST), _WIDEST)
    heading = " ".join(filter(None, (finding.level.word, finding.code, finding.resource)))
    return [
        heading,
        f"{_INDENT}{finding.position}",
        *_wrapped(finding.reason, _INDENT, _INDENT, columns),
        *_wrapped(finding.remedy, _REMEDY, " " * len(_REMEDY), columns),
    ]


def _wrapped(text: str, first: str, rest: str, columns: int) -> list[str]:
    return textwrap.wrap(
        text,
        columns,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
