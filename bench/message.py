"""Messages as data: a case with what it is about. The words are made where somebody reads them.

Decisions hang on the case, or on the code that goes with it; never on the words.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from string import Formatter
from typing import Any

Data = tuple[tuple[str, Hashable], ...]
"""Name, value: texts that are written in the YAML, numbers, places, further messages, tuples of them."""


class Case(Enum):
    """What can be said; each room lists its own, with the words of each: what is wrong, and what to do.

    The words are templates of ``str.format``. Of a tuple, ``{names}`` gives ``a, b``, ``{names:or}`` gives
    ``a or b``, ``{names:and}`` ``a and b``, and ``{names:listed}`` each once, as ``a, b and c``.
    ``{name:aside}`` is `` (name)``, or nothing for an empty name.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Message:
    """A case and its data. As a text it is what is wrong."""

    case: Case
    data: Data = ()

    @property
    def reason(self) -> str:
        """What is wrong, for people."""
        return _WRITER.vformat(self.case.reason, (), dict(self.data))

    @property
    def remedy(self) -> str:
        """What to do about it, for people; may be empty."""
        return _WRITER.vformat(self.case.remedy, (), dict(self.data))

    def __str__(self) -> str:
        return self.reason


def say(case: Case, /, **data: Hashable) -> Message:
    """Make the message of *case*; *data* has a value for each name in its words, and no other."""
    return Message(case, tuple(data.items()))


def fields_of(case: Case) -> frozenset[str]:
    """Give the names that the words of *case* need values for."""
    names = (name for text in (case.reason, case.remedy) for _, name, _, _ in _WRITER.parse(text) if name)
    return frozenset(name.partition(".")[0] for name in names)


class _Writer(Formatter):
    """Writes tuples as lists of words."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "aside":
            return f" ({value})" if value else ""
        if not isinstance(value, tuple):
            return str(format(value, format_spec)) if format_spec else str(value)
        words = [str(each) for each in value]
        if format_spec == "listed":
            words = list(dict.fromkeys(words))
            return " and ".join((*([", ".join(words[:-1])] if words[1:] else []), words[-1]))
        return (f" {format_spec} " if format_spec else ", ").join(words)


_WRITER = _Writer()
