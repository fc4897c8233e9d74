"""Text comparisons of a match, compiled: exact, prefix, regex as RE2 reads them."""

from __future__ import annotations

import re
from collections.abc import Callable

from bench.istio.models.virtual_service import StringMatch

Test = Callable[[str], bool]

# What RE2 and Python's re read differently, or RE2 refuses: look-around, backreferences, conditionals,
# comments, possessive and atomic forms, \Z, and RE2's own classes that Python does not know.
_DIFFERENT = re.compile(
    r"""\(\?[=!<>#(]      # look-around, atomic, comment, conditional; (?P<name> and (?: are the same in both
    |\(\?P=               # backreference by name
    |\\[1-9ZGkKpPCQEz]    # backreference; \Z, \z, \p{..}, \C, \Q..\E
    |\[\[:|\[\^\[:        # [[:alpha:]]
    |[*+?}]\+             # possessive
    |\(\?[a-zA-Z]*[aLuUx] # flags with another meaning
    """,
    re.VERBOSE,
)


def is_present_only(match: StringMatch) -> bool:
    """Whether any value will do: nothing written, or the old spelling ``regex: '*'``."""
    return (match.exact is None and match.prefix is None and match.regex is None) or match.regex == "*"


def compile_regex(pattern: str) -> re.Pattern[str] | None:
    """*pattern* as RE2 reads it, for a match of the whole text; None when Python cannot stand in for RE2."""
    if _DIFFERENT.search(pattern):
        return None
    try:
        # Envoy's dot does not match a line feed and its classes are ASCII; neither can be in a header.
        return re.compile(pattern, re.ASCII)
    except re.error:
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
        compiled = compile_regex(match.regex)
        if compiled is None:
            return None
        fullmatch = compiled.fullmatch
        return lambda text: fullmatch(text) is not None
    return lambda _text: True
