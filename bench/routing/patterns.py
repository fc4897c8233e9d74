"""Text comparisons of a match, compiled: exact, prefix, regex as RE2 reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import re2

from bench.istio.models import StringMatch

Test = Callable[[str], bool]
_GROUP = re.compile(r"\\([0-9])")


class FullMatch:
    """A pattern of RE2, compiled by the engine that proxies use, for matches of a whole text."""

    def __init__(self, pattern: str) -> None:
        options = re2.Options()
        options.log_errors = False
        self._compiled: Any = re2.compile(pattern.encode(errors="surrogateescape"), options)

    def __call__(self, text: str) -> bool:
        """Whether *text* is matched from end to end."""
        return self._compiled.fullmatch(text.encode(errors="surrogateescape")) is not None

    def sub(self, substitution: str, text: str) -> str:
        """Put *substitution*, of plain text and groups' numbers, in the place of each match in *text*."""
        pieces = _GROUP.split(substitution)
        source = text.encode(errors="surrogateescape")
        output, position = b"", 0
        for match in self._compiled.finditer(source):
            if match.end() == match.start() == position and position:
                continue  # RE2 passes over an empty match that touches the one before.
            output += source[position : match.start()]
            output += b"".join(
                (match.group(int(piece)) or b"") if index % 2 else piece.encode()
                for index, piece in enumerate(pieces)
            )
            position = match.end()
        return (output + source[position:]).decode(errors="surrogateescape")

    @property
    def groups(self) -> int:
        """How many groups the pattern has."""
        return int(self._compiled.groups)


def is_present_only(match: StringMatch) -> bool:
    """Whether any value will do: nothing written, or the old spelling ``regex: '*'``."""
    return (match.exact is None and match.prefix is None and match.regex is None) or match.regex == "*"


def compile_regex(pattern: str) -> FullMatch | None:
    """*pattern* for a match of the whole text; None when it is not RE2, which no proxy takes."""
    try:
        return FullMatch(pattern)
    except re2.error:
        return None


def compile_test(match: StringMatch, *, ignore_case: bool = False) -> Test | None:
    """The comparison; None when it cannot be judged here. Case folding never touches a regex."""
    if match.exact is not None:
        exact = match.exact.lower() if ignore_case else match.exact
        return (lambda text: text.lower() == exact) if ignore_case else (lambda text: text == exact)
    if match.prefix is not None:
        prefix = match.prefix.lower() if ignore_case else match.prefix
        if ignore_case:
            return lambda text: text.lower().startswith(prefix)
        return lambda text: text.startswith(prefix)
    if match.regex is not None and match.regex != "*":
        return compile_regex(match.regex)
    return lambda _text: True
