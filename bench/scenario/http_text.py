"""What may be in a request as somebody writes it: RFC 9110 section 5, RFC 9112 sections 3 and 6."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET: Final = re.compile(r"[\x21-\x7e]+")
_NUMBER: Final = re.compile(r"[0-9]+")


def header_fault(name: str, value: str) -> str | None:
    """What keeps a header from being sent; None: nothing."""
    if not _TOKEN.fullmatch(name):
        return f"{name!r} is not a header's name: letters, digits and hyphens"
    if not _VALUE.fullmatch(value):
        wrong = next(character for character in value if not _VALUE.fullmatch(character))
        return f"header {name}: {wrong!r} is not allowed in a header's value; encode it"
    return None


def target_fault(target: str) -> str | None:
    """What keeps a path with its query from being sent; None: nothing."""
    if _TARGET.fullmatch(target):
        return None
    wrong = next((character for character in target if not _TARGET.fullmatch(character)), "")
    return f"{wrong!r} is not allowed in a path; percent-encode it"


def body_fault(headers: Iterable[tuple[str, str]], body: str | bytes) -> str | None:
    """What makes *headers* contradict the *body*; None: nothing.

    The receiver would wait for more, or read the rest as another request.
    """
    try:
        length = len(body.encode() if isinstance(body, str) else body)
    except UnicodeEncodeError as error:
        return f"{error.object[error.start : error.end]!r} is not allowed in a body"
    for name, value in headers:
        match name.lower():
            case "content-length" if not _NUMBER.fullmatch(value.strip()) or int(value) != length:
                return f"{name}: {value} contradicts the body of {length} bytes; leave it out"
            case "transfer-encoding":
                return f"{name}: {value} cannot be sent: bodies go with their Content-Length; leave it out"
    return None


def host_of(headers: Mapping[str, str], otherwise: str) -> tuple[str, dict[str, str]]:
    """Part a Host header, however it is spelt, from the others; without one the host is *otherwise*."""
    host = next((value for name, value in headers.items() if name.lower() == "host"), otherwise)
    return host, {name: value for name, value in headers.items() if name.lower() != "host"}
