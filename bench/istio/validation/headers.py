"""Header names and values.

Source: istio ``pkg/config/validation`` (names) and Envoy's header formatter (values).
"""

from __future__ import annotations

import re

from bench.istio.models import HeaderOperations, Headers
from bench.istio.validation.findings import Findings

_TOKEN = re.compile(r"[-!#$%&'*+.^_`|~A-Za-z0-9]+")
_PSEUDO_HEADERS = frozenset((":method", ":scheme", ":authority", ":path", ":status"))
_CLAIM = "@request.auth.claims"
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def is_claim(name: str) -> bool:
    """Whether *name* represents a claim of a JSON web token: ``@request.auth.claims.group``."""
    if not name.lower().startswith(_CLAIM):
        return False
    rest = name[len(_CLAIM) :]
    return (rest.startswith(".") and len(rest) > 1) or (
        rest[:1] == "[" and rest[-1:] == "]" and len(rest) > 2
    )


def is_authority(name: str) -> bool:
    """Whether *name* is the Host header, under either name."""
    return name.lower() in (":authority", "host")


def check_match_name(name: str) -> str | None:
    """Refuse what cannot be the name of a header, a known pseudo header or a claim."""
    if is_claim(name) or name in _PSEUDO_HEADERS or _TOKEN.fullmatch(name):
        return None
    return f'"{name}" is not a header name'


def check_cors_name(name: str) -> str | None:
    """Refuse what is neither a star nor the name of a header."""
    return None if name == "*" or _TOKEN.fullmatch(name) else f'"{name}" is not a header name'


def check_value(value: str) -> str | None:
    """Refuse control characters, and a percent sign that is neither doubled nor a whole ``%COMMAND%``."""
    if _FORBIDDEN_IN_VALUE.search(value):
        return "the header value has a control character"
    return _check_commands(value)


_ANY = ""
_SKIP = {"text": "%", "string": "\\"}
"""In a text ``%%`` is a percent sign, in a string a backslash takes the next character along."""
_NEXT: dict[str, dict[str, str]] = {
    "text": {"%": "name", _ANY: "text"},
    "name": {"%": "text", "(": "argument", _ANY: "name"},
    "argument": {"[": "item", " ": "argument", _ANY: "string"},
    "item": {'"': "string", " ": "item"},
    "string": {")": "command end", '"': "after item", _ANY: "string"},
    "after item": {",": "item", "]": "arguments end", " ": "after item"},
    "arguments end": {")": "command end", " ": "arguments end"},
    "command end": {"%": "text", " ": "command end"},
}


def _check_commands(value: str) -> str | None:
    """Follow ``%NAME%`` and ``%NAME(["argument"])%`` through *value*, as Envoy's own parser does."""
    state, at = "text", 0
    while at < len(value):
        char, following = value[at], value[at + 1 : at + 2]
        if char == _SKIP.get(state):
            if not following:
                return f"a single {char} at the end of the header value"
            if state == "string" or following == char:
                at += 2
                continue
        after = _NEXT[state]
        if char not in after and _ANY not in after:
            return f"unexpected {char} in a %COMMAND% of the header value"
        state = after.get(char, after.get(_ANY, state))
        at += 1
    return (
        None
        if state == "text"
        else "a %COMMAND% of the header value does not end; write %% for a percent sign"
    )


def check_headers(headers: Headers | None, findings: Findings) -> None:
    """Check the changes to request and response headers."""
    if headers is None:
        return
    if headers.request is not None:
        _check_operations(headers.request, findings.within("headers", "request"), may_set_authority=True)
    if headers.response is not None:
        _check_operations(headers.response, findings.within("headers", "response"), may_set_authority=False)


def _check_operations(operations: HeaderOperations, findings: Findings, *, may_set_authority: bool) -> None:
    for field, entries in (("add", operations.add), ("set", operations.set)):
        for name, value in entries.items():
            findings.refuse(_check_changed_name(name, may_be_authority=may_set_authority), field, name)
            findings.refuse(check_value(value), field, name)
    for index, name in enumerate(operations.remove):
        findings.refuse(_check_changed_name(name, may_be_authority=False), "remove", index)


def _check_changed_name(name: str, *, may_be_authority: bool) -> str | None:
    if not name:
        return "the header name is empty"
    if may_be_authority and is_authority(name):
        return None
    if name.lower() == "host":
        return f"{name} cannot be changed here"
    return f'"{name}" cannot be changed: it begins with a colon' if name.startswith(":") else None
