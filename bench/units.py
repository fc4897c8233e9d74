"""Units as types, and their text forms. Whole microseconds inside, text only at the edge."""

from __future__ import annotations

import re
from typing import NewType

Micros = NewType("Micros", int)
"""A duration in whole microseconds."""
MICROS_PER_SECOND = 1_000_000


def format_micros(value: float | None) -> str:
    """Write a duration for people: three digits and the unit that suits; ``–`` for unknown."""
    if value is None:
        return "–"
    # 999.7 µs has four digits before the point once rounded to three: it is 1 ms.
    if abs(value) < 999.5:
        return f"{value:.3g} µs" if value != int(value) else f"{int(value)} µs"
    if abs(value) < 999_500:
        return f"{value / 1_000:.3g} ms"
    seconds = value / 1_000_000
    return f"{seconds:.3g} s" if abs(seconds) < 999.5 else f"{seconds:,.0f} s"


def format_bytes(value: float | None) -> str:
    """Write a memory size in MiB with three digits; ``–`` for unknown."""
    if value is None:
        return "–"
    return f"{value / (1 << 20):.3g} MiB"


def format_count(value: int | None) -> str:
    """Write a count with thousands separated; ``–`` for unknown."""
    return "–" if value is None else f"{value:,}"


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|k|M|G|Ki|Mi|Gi)")
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def parse_bytes(text: str) -> int:
    """Read ``128Mi``, ``4k`` or ``4096`` as bytes, as Kubernetes does.

    Raises:
        ValueError: that is not a size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size; write 128Mi, 1Gi, 500M, 4k or a number of bytes")
    return round(float(found.group(1)) * _FACTORS[found.group(2)])
