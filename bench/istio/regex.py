r"""Regular expressions as the proxies read them: RE2, by the engine that Envoy itself is built with.

istiod compiles each pattern with Go's ``regexp``, Envoy with RE2; both must take it. Go refuses four things
that RE2 takes: ``\C`` (one byte), letters beyond ASCII in the name of a group, one name for two groups, and
a group of no flags. Texts are matched as UTF-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

LONGEST_PATTERN = 1024
"""In bytes; istiod refuses a longer one."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_TOKEN = re.compile(
    r"""\\Q.*?(?:\\E|\Z)                                  # quoted
    |\\(?P<escaped>.)
    |\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]        # a class: nothing in it is a group
    |\(\?P?<(?P<name>[^>]*)>
    |(?P<flagless>\(\?\))""",
    re.DOTALL | re.VERBOSE,
)
_PLACE = re.compile(rb"\\(.?)", re.DOTALL)
_BROKEN = -1


class PatternError(ValueError):
    """The text is not a pattern that both istiod and Envoy take; the message says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern."""

    text: str
    _compiled: Any
    """What google-re2, which has no types, makes of the pattern's bytes."""

    def takes(self, text: str) -> bool:
        """Whether the pattern matches the whole of *text*, as Envoy asks in every match of a route."""
        return self._compiled.fullmatch(_bytes(text)) is not None

    def replace_all(self, text: str, substitution: str) -> str:
        r"""Replace each match in *text*, from left to right, as RE2's ``GlobalReplace`` does for Envoy.

        ``\0`` to ``\9`` in *substitution* represent groups, ``\\`` for a backslash. An empty match right
        behind another match is passed over, which Python's ``re.sub`` does not do. Nothing refuses a faulty
        substitution (seen with Envoy 1.40): with a group that the pattern does not have nothing is replaced,
        and what follows any other escape is lost.
        """
        parts = _template(substitution)
        if max((part for part in parts if isinstance(part, int)), default=0) > self._compiled.groups:
            return text
        if _BROKEN in parts:
            parts = parts[: parts.index(_BROKEN)]
        source, output, at, last_end = _bytes(text), bytearray(), 0, -1
        for found in self._compiled.finditer(source):
            start, end = found.span()
            if start == end == last_end:
                continue
            output += source[at:start]
            for part in parts:
                output += part if isinstance(part, bytes) else found.group(part) or b""
            at = last_end = end
        return (bytes(output) + source[at:]).decode(errors="surrogateescape")


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> Pattern:
    """Compile *text*.

    Raises:
        PatternError: it is not a pattern of RE2, or Go refuses it.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(_bytes(text), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "unknown"
        raise PatternError(
            reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        ) from None
    _refuse_what_go_refuses(text)
    return Pattern(text, compiled)


def _refuse_what_go_refuses(text: str) -> None:
    names: set[str] = set()
    for token in _TOKEN.finditer(text):
        name = token["name"]
        if token["escaped"] == "C":
            raise PatternError(r"invalid escape sequence: \C")
        if token["flagless"]:
            raise PatternError("missing argument to perl operator: (?)")
        if name is None:
            continue
        if _NOT_ASCII.search(name):
            raise PatternError(f"invalid named capture group: {token[0]}")
        if name in names:
            raise PatternError(f"duplicate capture group name: {name}")
        names.add(name)


def pattern_fault(text: str) -> str | None:
    """Why istiod refuses *text* as a pattern: it is empty, too long, or not RE2; None when it is accepted."""
    if not text:
        return "the pattern is empty"
    if len(text.encode()) > LONGEST_PATTERN:
        return f"the pattern has more than {LONGEST_PATTERN} characters"
    try:
        compile_pattern(text)
    except PatternError as error:
        return f'"{text}" is not an RE2 pattern: {error}'
    return None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _template(substitution: str) -> list[bytes | int]:
    """Part a substitution into literal text, numbers of groups, and ``_BROKEN`` escapes."""
    parts: list[bytes | int] = []
    source, at = _bytes(substitution), 0
    for found in _PLACE.finditer(source):
        parts.append(source[at : found.start()])
        at = found.end()
        escaped = found[1]
        if escaped == b"\\":
            parts.append(b"\\")
        else:
            parts.append(int(escaped) if escaped.isdigit() else _BROKEN)
    return [*parts, source[at:]]
