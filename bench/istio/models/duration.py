"""Durations as Go and Istio read them: ``1h30m``, ``1.5s``, ``250us``."""

import re
from dataclasses import dataclass
from datetime import timedelta

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([^0-9.]*)")
_LARGEST = 2**63 - 1
_MOST_DIGITS = 20
"""More than the largest duration has, in either part."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time, exact to the nanosecond, with the text that it was written as."""

    nanoseconds: int
    text: str

    @property
    def seconds(self) -> float:
        """The span in seconds."""
        return self.nanoseconds / 1_000_000_000

    @property
    def timedelta(self) -> timedelta:
        """The span, rounded down to whole microseconds."""
        return timedelta(microseconds=self.nanoseconds // 1_000)

    @property
    def is_whole_milliseconds(self) -> bool:
        """Whether nothing finer than a millisecond is written."""
        return self.nanoseconds % 1_000_000 == 0

    def __str__(self) -> str:
        return self.text


def parse_duration(text: str) -> Duration:
    """Read *text* by the grammar of Go's ``time.ParseDuration``.

    Raises:
        ValueError: *text* is not a duration; the message says why.
    """
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return Duration(0, text)
    total, end = 0, 0
    while end < len(rest):
        part = _PART.match(rest, end)
        if part is None:
            break
        number, unit = part.groups()
        if not unit:
            raise ValueError(f"{text!r} needs a unit, for example {text}s")
        if unit not in _NANOSECONDS:
            raise ValueError(f"{text!r} has the unknown unit {unit!r}; units are h, m, s, ms, us, ns")
        total += _nanoseconds(number, _NANOSECONDS[unit])
        end = part.end()
    if not rest or end < len(rest):
        raise ValueError(f"{text!r} is not a duration; write for example 1.5s or 250ms")
    if total > _LARGEST:
        raise ValueError(f"{text!r} is longer than a duration can be (about 292 years)")
    return Duration(sign * total, text)


def _nanoseconds(number: str, unit_ns: int) -> int:
    """*number* units, exactly, what is finer than a nanosecond cut off."""
    whole, _, fraction = number.partition(".")
    if len(whole) > _MOST_DIGITS:
        return _LARGEST + 1
    fraction = fraction[:_MOST_DIGITS]
    scale = int("1" + "0" * len(fraction))
    return (int(whole or "0") * scale + int(fraction or "0")) * unit_ns // scale
