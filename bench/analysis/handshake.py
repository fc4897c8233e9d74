"""Are the figures of a handshake mode those of what it claims to measure?"""

from __future__ import annotations

from collections.abc import Iterator

from bench.result import HandshakeMode, HandshakeResult, RunWarning
from bench.units import format_micros

_WAITED = 1.5
"""A handshake is CPU work of both sides in turn; one that takes half as long again has waited."""


def doubts(result: HandshakeResult) -> list[RunWarning]:
    """All that is to be said against the modes of *result*."""
    return [doubt for mode in result.modes for doubt in mode_doubts(mode)]


def mode_doubts(mode: HandshakeMode) -> Iterator[RunWarning]:
    """A warning if *mode* is not what it claims to be, and one if its handshakes waited for a processor."""
    if not mode.counts_agree:
        yield RunWarning(
            code="handshake-counts",
            message=f"{mode.name} handshakes: the access log has {mode.connections:,} connections,"
            f" {mode.of_other_kind:,} of them of the other kind; Envoy counted {_counted(mode.handshakes)}"
            f" handshakes, {_counted(mode.sessions_reused)} of them resumed. The accounts do not agree, or"
            " the handshakes are not what the trial was to measure.",
            advice=f"Do not take its figures for those of {mode.name} handshakes.",
        )
    taken, cost = mode.handshake_time.p50, cpu_us_of_both_sides(mode)
    if taken is not None and cost is not None and taken > _WAITED * cost > 0:
        yield RunWarning(
            code="handshake-waited",
            message=f"{mode.name} handshakes took {format_micros(taken)} at the median and cost"
            f" {format_micros(round(cost))} of CPU on both sides: they waited for a processor.",
            advice="Their times are those of a busy machine. Free it, or lower handshake.arrival_rate.",
        )


def _counted(number: int | None) -> str:
    return f"{number:,}" if number is not None else "an unknown number of"


def cpu_us_of_both_sides(mode: HandshakeMode) -> float | None:
    """What one new connection costs gateway and nodes together; None if either is unknown."""
    gateway, node = mode.gateway_cpu_us_per_connection, mode.node_cpu_us_per_connection
    return None if gateway is None or node is None else gateway + node
