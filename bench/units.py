"""Units as types, and their text forms. Whole microseconds inside, text only at the edge."""

from __future__ import annotations

from typing import NewType

Micros = NewType("Micros", int)
"""A duration in whole microseconds."""


def format_micros(value: float | None) -> str:
    """Write a duration for people: three digits and the unit that suits; ``–`` for unknown."""
    if value is None:
        return "–"
    if abs(value) < 1_000:
        return f"{value:.3g} µs" if value != int(value) else f"{int(value)} µs"
    if abs(value) < 1_000_000:
        return f"{value / 1_000:.3g} ms"
    return f"{value / 1_000_000:.3g} s"


def format_bytes(value: float | None) -> str:
    """Write a memory size in MiB with three digits; ``–`` for unknown."""
    if value is None:
        return "–"
    return f"{value / (1 << 20):.3g} MiB"


def format_count(value: int | None) -> str:
    """Write a count with thousands separated; ``–`` for unknown."""
    return "–" if value is None else f"{value:,}"
