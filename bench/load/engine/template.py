"""A right answer with holes: where a proxy writes the time of day, how long it waited, and the request's id.

What stands in these holes decides nothing that is checked; all else must be equal byte for byte. So a right
answer of another second, or after another wait, is recognised without reading it.
"""

from __future__ import annotations

import re
from typing import Final

_HEADER: Final = re.compile(rb"\r\n(date|x-envoy-upstream-service-time):[ \t]*([ -~]*)\r\n", re.IGNORECASE)
_DATE: Final = re.compile(rb"[ -~]{29}")
"""IMF-fixdate (RFC 9110 section 5.6.7): always as long."""
_DATE_LENGTH: Final = 29
_DIGITS: Final = re.compile(rb"[0-9]{1,10}")


class Template:
    """One right answer, taken apart."""

    __slots__ = ("_last", "_parts", "node")

    def __init__(self, answer: bytes, id_at: int, id_length: int, node: str) -> None:
        self.node: Final = node
        end = answer.find(b"\r\n\r\n")
        holes = [(id_at, id_at + id_length, "id")]
        at = 0
        # Two headers share the line break between them.
        while (found := _HEADER.search(answer, at, end + 2)) is not None:
            kind = "date" if found[1].lower() == b"date" else "digits"
            fits = (_DATE if kind == "date" else _DIGITS).fullmatch(found[2])
            if fits is not None and not found.start(2) <= id_at < found.end(2):
                holes.append((found.start(2), found.end(2), kind))
            at = found.end() - 2
        self._parts: list[tuple[bytes, str]] = []
        """What is before each hole, and what may be in it."""
        begun = 0
        for start, stop, kind in sorted(holes):
            self._parts.append((answer[begun:start], kind))
            begun = stop
        self._last = answer[begun:]

    def fits(self, answer: bytes, request_id: bytes) -> bool:
        """Whether *answer* is the same but for the holes, with *request_id* in the id's."""
        at = 0
        for text, kind in self._parts:
            if not answer.startswith(text, at):
                return False
            at += len(text)
            if kind == "id":
                if not answer.startswith(request_id, at):
                    return False
                at += len(request_id)
            elif kind == "date":
                if _DATE.match(answer, at) is None:
                    return False
                at += _DATE_LENGTH
            else:
                found = _DIGITS.match(answer, at)
                if found is None:
                    return False
                at = found.end()
        return answer.startswith(self._last, at) and len(answer) == at + len(self._last)
