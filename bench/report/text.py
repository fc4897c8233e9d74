"""How numbers are written in reports. Unknown is ``–``, never 0."""

from __future__ import annotations

from collections.abc import Sequence

from bench.result import Latency
from bench.units import format_bytes, format_micros

UNKNOWN = "–"
PERCENTILE_COLUMNS = ("samples", "p50", "p90", "p99", "p99.9", "max")


def micros(value: float | None) -> str:
    """Microseconds as a plain number with thousands separated; below 100 with one decimal if it has any."""
    if value is None:
        return UNKNOWN
    if abs(value) < 100 and value != int(value):
        return f"{value:,.1f}"
    return f"{value:,.0f}"


def percentile_cells(latency: Latency) -> tuple[str, ...]:
    """The cells below ``PERCENTILE_COLUMNS``, in microseconds."""
    values = (latency.p50, latency.p90, latency.p99, latency.p999, latency.maximum)
    return (f"{latency.samples:,}", *(micros(value) for value in values))


MOST_NAMES = 6
"""More names in one cell are only counted."""


def some(names: Sequence[str]) -> str:
    """The first few of *names*, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}"


def rate(value: float | None) -> str:
    """Requests per second."""
    return UNKNOWN if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A part of one, in percent."""
    return UNKNOWN if value is None else f"{value * 100:.3g}\N{NO-BREAK SPACE}%"


def seconds(value: float | None) -> str:
    """A duration in seconds."""
    return UNKNOWN if value is None else f"{value:.3g} s" if value < 1000 else f"{value:,.0f} s"


def with_unit(value: float | None, unit: str) -> str:
    """A value in the unit of a comparison."""
    if value is None:
        return UNKNOWN
    if unit == "µs":
        return format_micros(round(value) if abs(value) >= 100 else value)
    if unit == "bytes":
        return format_bytes(value)
    return f"{value:,.4g} {unit}".rstrip()


def without_unit(value: float, unit: str) -> str:
    """A value below a heading that names its unit, ``MiB`` for bytes."""
    if unit == "µs":
        return micros(value)
    if unit == "bytes":
        return f"{value / (1 << 20):.3g}"
    return f"{value:,.4g}"


def signed(value: float | None, unit: str) -> str:
    """A difference, with its sign."""
    if value is None:
        return UNKNOWN
    sign = "+" if value > 0 else "−" if value < 0 else "±"
    return sign + with_unit(abs(value), unit)


def bound(value: float | None) -> str:
    """A small probability as ``< 1 in n``."""
    return UNKNOWN if value is None or value <= 0 else f"< 1 in {1 / value:,.0f}"


def version_number(version: str) -> str:
    """The number alone of a version text, which may go on with how the program was built."""
    return version.partition(" ")[0]
