"""What the rounds of one ground of the matrix run on, and what they have produced so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.analysis.tls import handshake_costs
from bench.experiment.handshake.lab.direct import Series
from bench.experiment.handshake.lab.settings import ENOUGH, GroundPlan
from bench.experiment.handshake.lab.windows import Place, Window
from bench.experiment.run_context import RunContext
from bench.measure import StackMeter
from bench.result import ENDS, HANDSHAKE_KINDS, End, Estimate, HandshakeKind
from bench.stack import Stack
from bench.telemetry import OpensslSpeed

MODES = ("kept", *HANDSHAKE_KINDS)
"""Kinds of windows, each with a stack of its own."""


@dataclass(slots=True)
class Collected:
    """What the rounds of a ground have produced so far."""

    windows: dict[str, list[Window]] = field(default_factory=lambda: {mode: [] for mode in MODES})
    """Of each kind; those of the same place in their lists belong together."""
    slow: list[Window] = field(default_factory=list)
    """At a lower rate, of all kinds."""
    direct: dict[str, Series] = field(default_factory=lambda: {mode: Series() for mode in (*MODES, "bare")})
    speeds: list[OpensslSpeed] = field(default_factory=list)
    measured_from_us: dict[str, int] = field(default_factory=dict)
    misrouted: int = 0

    def fit(self, end: End) -> dict[HandshakeKind, Estimate]:
        """The regression of one end over all windows so far."""
        together = zip(*self.windows.values(), strict=True)
        return handshake_costs([[each.of(end) for each in some] for some in together])

    @property
    def has_handshakes(self) -> bool:
        """Whether any came about."""
        return any(each.handshakes for some in self.windows.values() for each in some)

    @property
    def is_precise(self) -> bool:
        """Whether the interval of each kind at each end is narrow enough."""
        fits = [self.fit(end) for end in ENDS]
        widths = [fit[kind].half_width if kind in fit else None for fit in fits for kind in HANDSHAKE_KINDS]
        return all(width is not None and width <= ENOUGH for width in widths)


@dataclass(frozen=True, slots=True)
class Ground:
    """The running stacks of one ground."""

    run: RunContext
    plan: GroundPlan
    stacks: dict[str, Stack]
    meters: dict[str, StackMeter]

    @property
    def places(self) -> dict[str, Place]:
        """Where load goes."""
        return {mode: Place(self.run, stack, self.meters[mode]) for mode, stack in self.stacks.items()}
