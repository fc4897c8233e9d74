"""A short text that a regex takes whole: deterministic, for the common part of RE2's syntax.

Walks the parse tree of Python's own ``re``; what it builds is checked against the pattern before it is handed
out, so a construct that it reads wrongly yields None, never a wrong sample.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from bench.routing.patterns import compile_regex

# Tried in this order wherever any of several characters will do; all of them harmless in paths and headers.
_CANDIDATES = (
    "".join(chr(code) for group in ((97, 122), (48, 57), (65, 90)) for code in range(group[0], group[1] + 1))
    + "-_.~/:@!$&'()*+,;=[]{}<>|^`\"# "
)
_MOST_REPEATS = 64


def sample(pattern: str) -> str | None:
    """A text that *pattern* matches from end to end; None if none was found. The shortest choices win."""
    compiled = compile_regex(pattern)
    if compiled is None:
        return None
    try:
        with warnings.catch_warnings():
            # Python warns of what RE2 reads otherwise; the check below finds out.
            warnings.simplefilter("ignore")
            tree = parser.parse(pattern, re.ASCII)
        text = _sequence(tree, {})
    except (_NoSampleError, re.error, RecursionError):
        return None
    return text if compiled(text) else None


class _NoSampleError(Exception):
    """This part of a pattern is beyond the sampler."""


def _sequence(items: Any, groups: dict[int, str]) -> str:
    return "".join(_item(operation, argument, groups) for operation, argument in items)


def _item(operation: Any, argument: Any, groups: dict[int, str]) -> str:  # noqa: PLR0911
    if operation is codes.LITERAL:
        return chr(argument)
    if operation is codes.ANY:
        return "x"
    if operation is codes.NOT_LITERAL:
        return _first(lambda char: ord(char) != argument)
    if operation is codes.IN:
        return _first(lambda char: _in_class(argument, char))
    if operation is codes.BRANCH:
        return _shortest(argument[1], groups)
    if operation is codes.SUBPATTERN:
        text = _sequence(argument[3], groups)
        groups[argument[0]] = text
        return text
    if operation in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        least, _, body = argument
        if least > _MOST_REPEATS:
            raise _NoSampleError
        return "".join(_sequence(body, groups) for _ in range(least))
    if operation is codes.AT:
        return ""
    raise _NoSampleError


def _shortest(branches: Any, groups: dict[int, str]) -> str:
    found = []
    for branch in branches:
        try:
            found.append(_sequence(branch, groups))
        except _NoSampleError:
            continue
    if not found:
        raise _NoSampleError
    return min(found, key=len)


def _first(accepts: Any) -> str:
    for char in _CANDIDATES:
        if accepts(char):
            return char
    raise _NoSampleError


_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    codes.CATEGORY_DIGIT: lambda char: char.isdigit(),
    codes.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    codes.CATEGORY_SPACE: str.isspace,
    codes.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    codes.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    codes.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


def _in_class(items: Any, char: str) -> bool:
    negated = False
    found = False
    for operation, argument in items:
        if operation is codes.NEGATE:
            negated = True
        elif operation is codes.LITERAL:
            found |= ord(char) == argument
        elif operation is codes.RANGE:
            found |= argument[0] <= ord(char) <= argument[1]
        elif operation is codes.CATEGORY:
            found |= _CATEGORIES[argument](char)
        else:
            raise _NoSampleError
    return found != negated
