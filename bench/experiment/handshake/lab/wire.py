"""Bytes of a handshake on the wire, by relays that are put between the gateway and the nodes for a moment."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.experiment.handshake.lab.bench import gateway_of
from bench.experiment.handshake.lab.ground import MODES, Mode
from bench.experiment.handshake.lab.relay import CountingRelays
from bench.experiment.handshake.lab.settings import GroundPlan
from bench.experiment.handshake.lab.variations import variation_of
from bench.experiment.handshake.lab.windows import Place, Step, drive_side_by_side
from bench.experiment.run_context import RunContext
from bench.result import HANDSHAKE_KINDS, HandshakeKind
from bench.translate import BOOTSTRAP_FILE

_SECONDS = 0.4
"""Of each stack's load."""
_RATE = 25.0
"""Requests per second: few enough not to overlap."""
_ATTEMPTS = 4
_SETTLE_S = 3.0
_SETTLING_S = 0.3
_PLANNED_S = 4.5
_FIRST = 900
"""These loads are numbered from here: beyond those of the rounds."""


@dataclass(frozen=True, slots=True)
class WireBytes:
    """Of one new connection beside its request and answer: TLS records, without TCP's own headers."""

    sent: float
    received: float


@dataclass(slots=True)
class _Lines:
    """The stacks of a ground with their nodes behind relays, under load side by side."""

    run: RunContext
    places: Mapping[Mode, Place]
    relays: dict[Mode, CountingRelays] = field(
        default_factory=lambda: {mode: CountingRelays() for mode in MODES}
    )
    loads: int = 0

    def detour(self, plan: GroundPlan) -> None:
        """Let the running gateways find their nodes behind the relays: their clusters are written again."""
        gateway = gateway_of(self.run)
        source = self.run.options.other_source
        for mode, place in self.places.items():
            variation = variation_of(plan, mode)
            spec = self.run.prepared.stack_spec("wire", source, self.run.material, variation)
            proxy = next(each for each in spec.proxies if each.name == gateway)
            files = proxy.render(self.relays[mode].detour(place.stack.placement(gateway)))
            # What is the same as before has the same version, and Envoy leaves it alone; it reads a bootstrap
            # once.
            place.stack.write_config(gateway, [file for file in files if file.path != BOOTSTRAP_FILE])
        deadline = time.monotonic() + _SETTLE_S
        while not all(each.connections for each in self.relays.values()) and time.monotonic() < deadline:
            self.load(_SETTLING_S)

    def load(self, seconds: float) -> dict[Mode, int]:
        """Load through the relays; how many requests each mode has sent."""
        self.loads += 1
        drives = drive_side_by_side(self.places, [Step(_RATE, seconds)], _FIRST + self.loads)
        return {
            mode: sum(part.counts.sent for stage in done.outcome.stages for part in stage.subsets)
            for mode, done in drives.items()
        }

    def stop(self) -> None:
        """Close all relays."""
        for each in self.relays.values():
            each.stop()


def measure_wire(
    run: RunContext, places: Mapping[Mode, Place], plan: GroundPlan
) -> dict[HandshakeKind, WireBytes]:
    """Count for each kind; empty on stacks whose gateway does not reach this machine's loopback.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    run.observer.stage(f"{plan.name}: bytes on the wire", _PLANNED_S)
    if any(part.container is not None for part in places["full"].stack.components()):
        return {}
    lines = _Lines(run, places)
    try:
        lines.detour(plan)
        return _count(lines)
    finally:
        lines.stop()


def _count(lines: _Lines) -> dict[HandshakeKind, WireBytes]:
    relays = lines.relays
    kept = relays["kept"]
    for _ in range(_ATTEMPTS):
        opened = {mode: len(each.connections) for mode, each in relays.items()}
        before = kept.totals()
        sent = lines.load(_SECONDS)["kept"]
        after = kept.totals()
        # Requests that overlap open a connection more, whose handshake would count as theirs.
        if sent and len(kept.connections) == opened["kept"]:
            break
    else:
        return {}
    found: dict[HandshakeKind, WireBytes] = {}
    for kind in HANDSHAKE_KINDS:
        # Of one request each; sessions began with full handshakes, before these.
        carried = [
            each for each in relays[kind].connections[opened[kind] :] if each.is_closed and each.received
        ]
        if carried:
            found[kind] = WireBytes(
                statistics.median(each.sent for each in carried) - (after[0] - before[0]) / sent,
                statistics.median(each.received for each in carried) - (after[1] - before[1]) / sent,
            )
    return found
