"""Three independent clocks on one quantity: the CPU-bound time of a new connection, both ends in turn.

- *cpu*: gateway plus node by regression of their CPU time. It holds the close of the connection, too, which
  nothing waits for: the end of TCP, which a bare connection's CPU bounds, and that of TLS, a ``close_notify``
  in each direction (RFC 8446, section 6.1), which a request on a kept connection bounds.
- *envoy*: from the SYN to the answer's first byte in Envoy's log, less what a request on a kept connection
  takes. Up to the answer, because under TLS 1.3 the node verifies the client after Envoy is done.
- *direct*: the same with a client of our own. OpenSSL's work in it is exchanged for BoringSSL's: its own CPU
  goes out, the gateway's comes in, and with it that of the gateway's close, bounded by the client's own.

The two wall clocks read the lower quartile: the handshakes that waited least for a processor. It is a lower
bound: on a shared machine a processor has fast and slow moments, and CPU time is a mean over all of them. The
mean of the same clock, which holds waiting too, is the upper bound. What they hold of waking two processes at
each turn is bounded by that of a kept request. Each known surplus widens an interval to its one side, so that
clocks that agree overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.tls.estimates import difference, mean_interval, quantile_interval
from bench.result import ClockName, ClockReading, Estimate, HandshakeKind, TlsVersionName

UNDISTURBED: Final = 0.25
"""The quantile that the wall clocks read."""


@dataclass(frozen=True, slots=True)
class WallTimes:
    """One kind of times of a wall clock; microseconds."""

    undisturbed: Estimate
    """Their lower quartile."""
    mean: Estimate

    @classmethod
    def of(cls, times: Sequence[float | None]) -> WallTimes | None:
        """None with too few times for an interval; those that are not known are left out."""
        known = [each for each in times if each is not None]
        undisturbed, mean = quantile_interval(known, UNDISTURBED), mean_interval(known)
        return None if undisturbed is None or mean is None else cls(undisturbed, mean)


@dataclass(frozen=True, slots=True)
class ClockInput:
    """What the clocks of one cell are made of; microseconds."""

    gateway_cpu: Estimate | None
    node_cpu: Estimate | None
    direct_bare_cpu: float | None
    """CPU of the direct client for a TCP connection without TLS: opened, closed."""
    node_bare_cpu: float | None
    """CPU of the node for it: accepted, closed."""
    envoy_new: WallTimes | None
    """SYN to the first byte of the answer on new connections."""
    envoy_kept: WallTimes | None
    """Request sent to the first byte of the answer on kept connections."""
    direct_new: WallTimes | None
    direct_kept: WallTimes | None
    direct_cpu: float | None
    """CPU of the direct client for a new connection above that of a kept request."""
    direct_kept_cpu: float | None
    """CPU of the direct client for a request on a kept connection."""
    node_kept_cpu: float | None
    """CPU of the node for it."""


def turns(kind: HandshakeKind, tls_version: TlsVersionName) -> int:
    """How often the two ends wait for each other in a handshake: round trips beside that of the request.

    RFC 5246, section 7.3: a full handshake has two, an abbreviated one has one; RFC 8446, section 2: one.
    """
    return 2 if tls_version == "TLSv1.2" and kind == "full" else 1


def read_clocks(
    found: ClockInput, kind: HandshakeKind, tls_version: TlsVersionName
) -> tuple[tuple[ClockReading, ...], bool | None]:
    """The clocks that can be read, and whether all three overlap; None if one is missing."""
    waiting = turns(kind, tls_version)
    readings = [
        reading
        for reading in (
            _cpu(found),
            _wall("envoy", found.envoy_new, found.envoy_kept, waiting, found.node_kept_cpu),
            _direct(found, waiting),
        )
        if reading is not None
    ]
    if len(readings) < 3:
        return tuple(readings), None
    return tuple(readings), max(each.low for each in readings) <= min(each.high for each in readings)


def _cpu(found: ClockInput) -> ClockReading | None:
    gateway, node = found.gateway_cpu, found.node_cpu
    if gateway is None or node is None:
        return None
    value = gateway.value + node.value
    reach = ((gateway.high - gateway.low) ** 2 + (node.high - node.low) ** 2) ** 0.5 / 2
    closing = _gateway_close(found) + (found.node_bare_cpu or 0.0) + (found.node_kept_cpu or 0.0)
    return ClockReading(clock="cpu", value=value, low=value - reach - closing, high=value + reach)


def _gateway_close(found: ClockInput) -> float:
    """What the gateway's close of a connection costs at most: as much as all that a client does in either."""
    return (found.direct_bare_cpu or 0.0) + (found.direct_kept_cpu or 0.0)


def _direct(found: ClockInput, waiting: int) -> ClockReading | None:
    if found.gateway_cpu is None or found.direct_cpu is None:
        return None
    return _wall(
        "direct",
        found.direct_new,
        found.direct_kept,
        waiting,
        found.node_kept_cpu,
        exchange=found.gateway_cpu.value - found.direct_cpu,
        closing=_gateway_close(found),
    )


def _wall(
    clock: ClockName,
    new: WallTimes | None,
    kept: WallTimes | None,
    waiting: int,
    node_kept_cpu: float | None,
    *,
    exchange: float = 0.0,
    closing: float = 0.0,
) -> ClockReading | None:
    """*exchange*: what is to be added to the times; *closing*: how much of it is of the close, at most."""
    if new is None or kept is None:
        return None
    least, mean = difference(new.undisturbed, kept.undisturbed), difference(new.mean, kept.mean)
    # What a kept request takes beside the node's work is what one turn of waiting takes.
    waited = max(0.0, kept.undisturbed.value - (node_kept_cpu or 0.0)) * waiting
    return ClockReading(
        clock=clock,
        value=least.value + exchange,
        low=least.low + exchange - waited - closing,
        high=max(least.high, mean.high) + exchange,
    )
