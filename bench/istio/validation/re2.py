"""Whether a pattern is valid RE2 syntax, as Go's ``regexp`` (which istiod compiles with) judges it.

Only the syntax is read, nothing is matched. Rules: https://github.com/google/re2/wiki/Syntax and the errors
of Go's ``regexp/syntax`` with its Perl flags: no look-around, no back-references, no possessive or stacked
repetition, repetition up to 1000 (also when nested).
"""

from __future__ import annotations

import re

from bench.istio.validation.unicode_classes import UNICODE_CLASSES

LONGEST_PATTERN = 1024
_MOST_REPEATS = 1000
_REPEAT = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")
_GROUP_NAME = re.compile(r"\?P?<([A-Za-z0-9_]+)>")
_FLAGS = re.compile(r"\?([imsU]*)(-[imsU]+)?([:)])")
_POSIX_CLASS = re.compile(r"\[:\^?([a-z]+):\]")
_POSIX_NAMES = frozenset(
    (
        "alnum",
        "alpha",
        "ascii",
        "blank",
        "cntrl",
        "digit",
        "graph",
        "lower",
        "print",
        "punct",
        "space",
        "upper",
        "word",
        "xdigit",
    )
)
_PERL_CLASSES = frozenset("dDsSwW")
_ASSERTIONS = frozenset("AzbB")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_HIGHEST_RUNE = 0x10FFFF


class _PatternError(Exception):
    pass


def check_pattern(pattern: str) -> str | None:
    """Refuse an empty or too long pattern, and one that RE2 does not understand."""
    if not pattern:
        return "the pattern is empty"
    if len(pattern.encode()) > LONGEST_PATTERN:
        return f"the pattern has more than {LONGEST_PATTERN} characters"
    try:
        _Parser(pattern).parse()
    except _PatternError as error:
        return f'"{pattern}" is no RE2 pattern: {error}'
    return None


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._names: set[str] = set()

    def parse(self) -> None:
        self._alternatives()
        if self._at < len(self._text):
            raise _PatternError("unexpected )")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _alternatives(self) -> int:
        """Read up to the end of a group; the most repeats of one thing within it."""
        most = self._sequence()
        while self._peek() == "|":
            self._at += 1
            most = max(most, self._sequence())
        return most

    def _sequence(self) -> int:
        most = 1
        has_atom, is_repeated, repeats = False, False, 1
        while (char := self._peek()) not in ("", "|", ")"):
            counted = _REPEAT.match(self._text, self._at) if char == "{" else None
            if char in "*+?" or counted is not None:
                if not has_atom:
                    raise _PatternError(f"nothing before {counted[0] if counted else char} to repeat")
                if is_repeated:
                    raise _PatternError("one repetition after another")
                repeats *= self._repetition(counted)
                if repeats > _MOST_REPEATS:
                    raise _PatternError(f"more than {_MOST_REPEATS} repetitions")
                most, is_repeated = max(most, repeats), True
                continue
            repeats = self._atom()
            # A group of flags alone, and a quotation of nothing, leave nothing to repeat.
            has_atom, is_repeated = (repeats > 0) or has_atom, False
            repeats = max(repeats, 1)
            most = max(most, repeats)
        return most

    def _repetition(self, counted: re.Match[str] | None) -> int:
        """Read a repetition; how often it repeats, as far as that is limited."""
        repeats = 1
        if counted is None:
            self._at += 1
        else:
            least, most = int(counted[1]), int(counted[3]) if counted[3] else None
            self._at = counted.end()
            if least > _MOST_REPEATS or (most is not None and (most > _MOST_REPEATS or most < least)):
                raise _PatternError(f"bad repetition {counted[0]}")
            repeats = max(1, least if most is None else most)
        if self._peek() == "?":
            self._at += 1
        return repeats

    def _atom(self) -> int:
        """Read one thing that can be repeated; the most repeats within it, 0 if it is nothing."""
        char = self._peek()
        if char == "(":
            return self._group()
        if char == "[":
            self._class()
        elif char == "\\":
            return self._escape_outside_of_a_class()
        else:
            self._at += 1
        return 1

    def _group(self) -> int:
        self._at += 1
        if self._peek() == "?":
            name = _GROUP_NAME.match(self._text, self._at)
            flags = _FLAGS.match(self._text, self._at)
            if name is not None:
                if name[1] in self._names:
                    raise _PatternError(f"two groups with the name {name[1]}")
                self._names.add(name[1])
                self._at = name.end()
            elif flags is not None and (flags[1] or flags[2] or flags[3] == ":"):
                self._at = flags.end()
                if flags[3] == ")":
                    return 0
            else:
                raise _PatternError(f"({self._text[self._at : self._at + 3]} is not supported")
        most = self._alternatives()
        if self._peek() != ")":
            raise _PatternError("missing )")
        self._at += 1
        return most

    def _escape_outside_of_a_class(self) -> int:
        kind = self._text[self._at + 1 : self._at + 2]
        if kind == "Q":
            end = self._text.find("\\E", self._at + 2)
            quoted = self._text[self._at + 2 : end if end >= 0 else None]
            self._at = end + 2 if end >= 0 else len(self._text)
            return 1 if quoted else 0
        if kind and kind in _ASSERTIONS:
            self._at += 2
        elif not self._class_escape():
            self._escape()
        return 1

    def _class_escape(self) -> bool:
        r"""Read ``\d``, ``\pL`` or ``\p{Greek}`` if one stands here."""
        kind = self._text[self._at + 1 : self._at + 2]
        if kind and kind in _PERL_CLASSES:
            self._at += 2
            return True
        if kind not in ("p", "P"):
            return False
        rest = self._text[self._at + 2 :]
        if rest.startswith("{"):
            end = rest.find("}")
            if end < 0:
                raise _PatternError("missing } of a character class")
            name, length = rest[1:end].removeprefix("^"), end + 1
        else:
            name, length = rest[:1], 1
        if name not in UNICODE_CLASSES:
            raise _PatternError(f"unknown character class \\{kind}{rest[:length]}")
        self._at += 2 + length
        return True

    def _escape(self) -> str:
        """Read an escape that stands for one character."""
        kind = self._text[self._at + 1 : self._at + 2]
        if not kind:
            raise _PatternError("a backslash at the end")
        self._at += 2
        if kind in _CONTROLS:
            return _CONTROLS[kind]
        if kind == "x":
            return self._hexadecimal()
        octal = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}").match(self._text, self._at - 1)
        if octal is not None:
            self._at = octal.end()
            return chr(int(octal[0], 8))
        if kind.isascii() and not kind.isalnum():
            return kind
        raise _PatternError(f"unknown escape \\{kind}")

    def _hexadecimal(self) -> str:
        match = re.compile(r"\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2})").match(self._text, self._at)
        code = int(match[1] or match[2], 16) if match is not None else _HIGHEST_RUNE + 1
        if match is None or code > _HIGHEST_RUNE:
            raise _PatternError("\\x needs two hexadecimal digits, or some in braces")
        self._at = match.end()
        return chr(code)

    def _class(self) -> None:
        self._at += 1
        if self._peek() == "^":
            self._at += 1
        is_first = True
        while is_first or self._peek() != "]":
            is_first = False
            if not self._peek():
                raise _PatternError("missing ]")
            named = _POSIX_CLASS.match(self._text, self._at)
            if named is not None:
                if named[1] not in _POSIX_NAMES:
                    raise _PatternError(f"unknown character class {named[0]}")
                self._at = named.end()
            elif self._peek() != "\\" or not self._class_escape():
                self._range()
        self._at += 1

    def _range(self) -> None:
        low = self._class_character()
        if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            if self._class_character() < low:
                raise _PatternError("a range that goes backwards")

    def _class_character(self) -> str:
        char = self._peek()
        if not char:
            raise _PatternError("missing ]")
        if char == "\\":
            return self._escape()
        self._at += 1
        return char
