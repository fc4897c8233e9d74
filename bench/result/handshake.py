"""What new TLS connections cost."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from bench.result.base import Model
from bench.result.load import Latency

HandshakeKind = Literal["full", "resumed"]
"""Full: certificates are sent, verified and signed for. Resumed: a session from an earlier connection is."""


HANDSHAKE_KINDS: tuple[HandshakeKind, ...] = get_args(HandshakeKind)


class HandshakeMode(Model):
    """A trial in which each request opens a new connection of the gateway, all with one kind of handshake."""

    name: HandshakeKind
    connections: int
    """Distinct upstream connection ids in the gateway's access log of the whole trial, warm-up included."""
    handshakes: int | None
    """``ssl.handshake`` over the same window; None: the counters were reset in between."""
    sessions_reused: int | None
    """``ssl.session_reused`` over the same window; None in the same case."""
    of_other_kind: int
    """Connections of that log whose node reports the other kind."""
    counts_agree: bool
    """Log, counters and nodes report the same numbers, and the handshakes are of the kind of *name*."""
    tls_versions: dict[str, int]
    ciphers: dict[str, int] = Field(default_factory=dict)
    connect_time: Latency
    """TCP connect, ``US_CX_BEG`` to ``US_CX_END``; measured stage, connections of this kind."""
    handshake_time: Latency
    """TLS, ``US_CX_END`` to ``US_HS_END``; the same connections."""
    connections_per_request: float | None
    """By Envoy's counters, measured stage; 1 is what the trial is there for."""
    gateway_cpu_us_per_request: float | None
    node_cpu_us_per_request: float | None
    """All nodes together."""
    gateway_cpu_us_per_connection: float | None
    """What a new connection costs: CPU per request here less that with kept ones, by connections opened."""
    node_cpu_us_per_connection: float | None


class HandshakeResult(Model):
    """What new TLS connections of the gateway towards the nodes cost, by kind of handshake."""

    key: str
    """Key type of the certificates."""
    gateway_cpu_us_per_request_kept: float | None
    """With connections kept: what the modes are compared with."""
    node_cpu_us_per_request_kept: float | None
    modes: tuple[HandshakeMode, ...]

    def mode(self, name: HandshakeKind) -> HandshakeMode | None:
        """The mode of that name; None if it was not measured."""
        return next((mode for mode in self.modes if mode.name == name), None)
