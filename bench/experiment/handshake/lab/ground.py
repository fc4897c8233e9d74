"""What the rounds of one ground of the matrix run on, and what they have produced so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from bench.analysis.tls import Round, handshake_costs
from bench.experiment.handshake.lab.direct import Shots
from bench.experiment.handshake.lab.settings import ENOUGH, GroundPlan
from bench.experiment.handshake.lab.windows import Place, Window
from bench.experiment.run_context import RunContext
from bench.measure import StackMeter
from bench.result import ENDS, HANDSHAKE_KINDS, End, Estimate, HandshakeKind
from bench.stack import Stack
from bench.telemetry import OpensslSpeed

Mode = Literal["kept", "full", "resumed"]
MODES: Final[tuple[Mode, ...]] = ("kept", *HANDSHAKE_KINDS)
"""Kinds of windows, each with a stack of its own."""


@dataclass(slots=True)
class Collected:
    """What the rounds of a ground have produced so far."""

    rounds: list[tuple[Mapping[Mode, Window], ...]] = field(default_factory=list)
    """Of each round its loads; of a load the windows, which are of the same moments."""
    slow: list[Window] = field(default_factory=list)
    """At a lower rate, of all kinds."""
    direct: Shots = field(default_factory=Shots)
    speeds: list[OpensslSpeed] = field(default_factory=list)
    measured_from_us: dict[str, int] = field(default_factory=dict)
    misrouted: int = 0

    def fit(self, end: End) -> dict[HandshakeKind, Estimate]:
        """The regression of one end over all rounds so far."""
        return handshake_costs(
            [
                Round(
                    tuple(each.of(end, load) for load, some in enumerate(loads) for each in some.values()),
                    {
                        kind: (_pace_us([some["kept"]]), _pace_us([some[kind]]))
                        for some in loads
                        for kind in HANDSHAKE_KINDS
                        if kind in some
                    },
                )
                for loads in self.rounds
            ]
        )

    def of(self, mode: Mode) -> list[Window]:
        """All windows of a kind."""
        return [some[mode] for loads in self.rounds for some in loads if mode in some]

    @property
    def pace_us(self) -> float | None:
        """How fast the machine was: CPU of the sidecars for a request, over all rounds; microseconds."""
        windows = [each for mode in MODES for each in self.of(mode)]
        return _pace_us(windows) if windows else None

    @property
    def has_handshakes(self) -> bool:
        """Whether any came about."""
        return any(each.handshakes for mode in MODES for each in self.of(mode))

    @property
    def imprecise(self) -> frozenset[HandshakeKind]:
        """The kinds whose interval at either end is not narrow enough."""
        fits = [self.fit(end) for end in ENDS]
        return frozenset(
            kind for kind in HANDSHAKE_KINDS if not all(_is_narrow(fit.get(kind)) for fit in fits)
        )


def _is_narrow(found: Estimate | None) -> bool:
    return found is not None and found.half_width is not None and found.half_width <= ENOUGH


def _pace_us(windows: Collection[Window]) -> float:
    requests = sum(each.requests for each in windows)
    return sum(each.cpu_s["sidecar"] for each in windows) * 1e6 / requests if requests else 0.0


@dataclass(frozen=True, slots=True)
class Ground:
    """The running stacks of one ground."""

    run: RunContext
    plan: GroundPlan
    stacks: dict[Mode, Stack]
    meters: dict[Mode, StackMeter]

    def places(self, modes: Sequence[Mode]) -> dict[Mode, Place]:
        """Where the load of *modes* goes."""
        return {mode: Place(self.run, self.stacks[mode], self.meters[mode]) for mode in modes}
