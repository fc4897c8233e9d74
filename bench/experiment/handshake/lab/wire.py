"""Bytes of a handshake on the wire, by relays that are put between the gateway and the nodes for a moment."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench.experiment.handshake.lab.bench import gateway_of
from bench.experiment.handshake.lab.ground import MODES, Mode
from bench.experiment.handshake.lab.relay import CountingRelays
from bench.experiment.handshake.lab.settings import GroundPlan
from bench.experiment.handshake.lab.variations import variation_of
from bench.experiment.handshake.lab.windows import Step, drive
from bench.experiment.run_context import RunContext
from bench.measure import StackMeter
from bench.preparation import Variation
from bench.result import HandshakeKind
from bench.stack import Stack
from bench.translate import BOOTSTRAP_FILE

_SECONDS = 0.4
_RATE = 25.0
"""Requests per second: few enough not to overlap."""
_ATTEMPTS = 4
_SETTLE_S = 3.0
_FIRST = 900
"""Number of the first of these loads: beyond those of the rounds."""


@dataclass(frozen=True, slots=True)
class WireBytes:
    """Of one new connection beside its request and answer: TLS records, without TCP's own headers."""

    sent: float
    received: float


@dataclass(slots=True)
class _Line:
    """One stack whose nodes lie behind relays."""

    run: RunContext
    stack: Stack
    meter: StackMeter
    relays: CountingRelays
    number: int

    def detour(self, variation: Variation) -> None:
        """Let the running gateway find its nodes behind the relays: its clusters are written again."""
        gateway = gateway_of(self.run)
        source = self.run.options.other_source
        spec = self.run.prepared.stack_spec("wire", source, self.run.material, variation)
        proxy = next(each for each in spec.proxies if each.name == gateway)
        files = proxy.render(self.relays.detour(self.stack.placement(gateway)))
        # What is the same as before has the same version, and Envoy leaves it alone; it reads a bootstrap
        # once.
        self.stack.write_config(gateway, [file for file in files if file.path != BOOTSTRAP_FILE])
        deadline = time.monotonic() + _SETTLE_S
        while not self.relays.connections and time.monotonic() < deadline:
            self.load(0.3)

    def load(self, seconds: float) -> int:
        """Load through the relays; how many requests were sent."""
        self.number += 1
        done = drive(self.run, self.stack, self.meter, [Step(_RATE, seconds)], self.number)
        return sum(part.counts.sent for stage in done.outcome.stages for part in stage.subsets)


def measure_wire(
    run: RunContext, stacks: Mapping[Mode, Stack], meters: Mapping[Mode, StackMeter], plan: GroundPlan
) -> dict[HandshakeKind, WireBytes]:
    """Count for each kind; empty on stacks whose gateway does not reach this machine's loopback.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    run.observer.stage(f"{plan.name}: bytes on the wire", 3 * (_SECONDS + 1.5))
    if any(part.container is not None for part in stacks["full"].components()):
        return {}
    found: dict[HandshakeKind, WireBytes] = {}
    per_request: tuple[float, float] | None = None
    for place, mode in enumerate(MODES):
        line = _Line(run, stacks[mode], meters[mode], CountingRelays(), _FIRST + 20 * place)
        try:
            line.detour(variation_of(plan, mode))
            if mode == "kept":
                per_request = _per_request(line)
                continue
            carried = _per_connection(line)
        finally:
            line.relays.stop()
        if carried is not None and per_request is not None:
            kind: HandshakeKind = "full" if mode == "full" else "resumed"
            found[kind] = WireBytes(carried[0] - per_request[0], carried[1] - per_request[1])
    return found


def _per_request(line: _Line) -> tuple[float, float] | None:
    """Bytes of one request on a kept connection, both ways; None where none was kept."""
    for _ in range(_ATTEMPTS):
        connections, before = len(line.relays.connections), line.relays.totals()
        sent = line.load(_SECONDS)
        after = line.relays.totals()
        # Requests that overlap open a connection more, whose handshake would count as theirs.
        if sent and len(line.relays.connections) == connections:
            return (after[0] - before[0]) / sent, (after[1] - before[1]) / sent
    return None


def _per_connection(line: _Line) -> tuple[float, float] | None:
    """Bytes of one connection with one request; sessions begin with full handshakes, before this."""
    before = len(line.relays.connections)
    line.load(_SECONDS)
    carried = [each for each in line.relays.connections[before:] if each.is_closed and each.received]
    if not carried:
        return None
    return (
        statistics.median(each.sent for each in carried),
        statistics.median(each.received for each in carried),
    )
