"""One ground of the matrix: windows of each kind side by side, a direct client and the oracle."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.analysis.cost import Window as CostWindow
from bench.analysis.cost import fit
from bench.analysis.tls import (
    ClockInput,
    WallTimes,
    handshake_costs,
    median_interval,
    oracle_line,
    read_clocks,
)
from bench.errors import BenchError, MeasurementError
from bench.experiment.handshake.lab.agreed import Agreed, read_agreed
from bench.experiment.handshake.lab.bench import gateway_of
from bench.experiment.handshake.lab.direct import DirectClient, Series
from bench.experiment.handshake.lab.refusals import causes_of
from bench.experiment.handshake.lab.settings import ENOUGH, GroundPlan, Schedule
from bench.experiment.handshake.lab.traffic import nodes_of
from bench.experiment.handshake.lab.variations import variation_of
from bench.experiment.handshake.lab.windows import (
    WARM_UP_S,
    Place,
    Step,
    Window,
    drive_side_by_side,
)
from bench.experiment.handshake.lab.wire import WireBytes, measure_wire
from bench.experiment.run_context import RunContext
from bench.measure import StackMeter
from bench.result import ENDS, HANDSHAKE_KINDS, CryptoSpeed, End, Estimate, HandshakeKind, LabModel, TlsCell
from bench.stack import Stack
from bench.telemetry import (
    ConnectionEntry,
    OpensslSpeed,
    cpu_seconds,
    openssl_speed,
    openssl_version,
    read_connections,
)

_MODES = ("kept", *HANDSHAKE_KINDS)
_BUSY = 0.35
"""Share of one core that each end's signatures may take."""
_FEWEST, _MOST = 25.0, 240.0
"""New connections per second."""
_WINDOWS = 4
"""Of each kind in a round."""
_SLOW = 0.25
"""Share of the rate in one more window of each kind: the cost model knows its base from requests by it."""
_LEAST = 5.0
_KEPT_UP = 0.8
"""Share of the intended handshakes that a window must bring."""
_ROUND_OF_OTHERS_S = 1.2

Speedometer = Callable[[str], OpensslSpeed]


@dataclass(slots=True)
class Collected:
    """What the rounds of a ground have produced so far."""

    windows: dict[str, list[Window]] = field(default_factory=lambda: {mode: [] for mode in _MODES})
    """Of each kind; those of the same place in their lists belong together."""
    slow: list[Window] = field(default_factory=list)
    """At a lower rate, of all kinds."""
    direct: dict[str, Series] = field(default_factory=lambda: {mode: Series() for mode in (*_MODES, "bare")})
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


@dataclass(frozen=True, slots=True)
class GroundResult:
    """What one ground produced."""

    cells: tuple[TlsCell, ...]
    speed: CryptoSpeed | None
    """The oracle's, in its minutes."""
    model: LabModel | None
    misrouted: int


def measure_ground(
    run: RunContext,
    plan: GroundPlan,
    schedule: Schedule,
    *,
    rounds: int | None = None,
    speed_of: Speedometer = openssl_speed,
) -> GroundResult:
    """The two cells of a ground, and what else its windows bring.

    A ground that cannot run gives cells that say why: the others go on.
    """
    collected = Collected()
    try:
        with ExitStack() as running:
            ground = _start(run, running, plan)
            _rounds(ground, schedule, rounds, speed_of, collected)
            if not collected.has_handshakes:
                reason = _refusal(ground, collected)
                refused = tuple(_without(plan, kind, refusal=reason) for kind in HANDSHAKE_KINDS)
                return GroundResult(refused, _speed(plan, collected), None, collected.misrouted)
            wire = measure_wire(run, ground.stacks, ground.meters, plan)
            speed = _speed(plan, collected)
            cells = [_cell(ground, kind, collected, speed, wire.get(kind)) for kind in HANDSHAKE_KINDS]
    except BenchError as error:
        run.observer.note(f"{plan.name}: {error}")
        broken = tuple(_without(plan, kind, fault=str(error)) for kind in HANDSHAKE_KINDS)
        return GroundResult(broken, None, None, collected.misrouted)
    return GroundResult(tuple(cells), speed, _model(plan, collected), collected.misrouted)


def _model(plan: GroundPlan, collected: Collected) -> LabModel | None:
    """The gateway's cost model, where the windows distinguish its terms."""
    windows = [
        CostWindow(
            seconds=each.seconds,
            requests=each.requests,
            full_handshakes=each.full,
            resumed_handshakes=each.resumed,
            cpu_s=each.cpu_s["gateway"],
        )
        for each in (*itertools.chain(*collected.windows.values()), *collected.slow)
    ]
    try:
        model = fit("gateway", windows)
    except MeasurementError:
        return None
    return LabModel(
        key=plan.key,
        tls_version=plan.tls_version,
        client_certificate=plan.client_certificate,
        model=model,
    )


def _start(run: RunContext, running: ExitStack, plan: GroundPlan) -> Ground:
    stacks = {
        mode: run.start_stack(
            running, f"lab-{plan.name}-{mode}", run.options.other_source, variation_of(plan, mode)
        )
        for mode in _MODES
    }
    gateway = gateway_of(run)
    meters = {
        mode: running.enter_context(run.instruments.open_meter(stack, gateway))
        for mode, stack in stacks.items()
    }
    return Ground(run, plan, stacks, meters)


def _rounds(
    ground: Ground, schedule: Schedule, rounds: int | None, speed_of: Speedometer, collected: Collected
) -> None:
    """Rounds until the intervals are narrow enough, or as many as are wanted."""
    _note_speed(collected, ground.plan, speed_of)
    rate = _rate(collected.speeds)
    clock = ground.run.instruments.clock
    begun = clock()
    least, most = (rounds, rounds) if rounds is not None else (schedule.rounds, schedule.most_rounds)
    for number in range(most):
        ground.run.observer.stage(
            f"{ground.plan.name}: round {number + 1}", round_s(schedule) + _ROUND_OF_OTHERS_S
        )
        _round(ground, schedule, number, rate, collected)
        if not collected.has_handshakes:
            return
        rate = _bearable(collected, rate)
        is_over = clock() - begun > schedule.ground_s
        if number + 1 >= least and (collected.is_precise or is_over):
            break
    _note_speed(collected, ground.plan, speed_of)


def round_s(schedule: Schedule) -> float:
    """How long the load of a round takes."""
    return len(_MODES) * ((_WINDOWS + 1) * schedule.window_s + WARM_UP_S / 2) + 1.0


def _rate(speeds: list[OpensslSpeed]) -> float:
    """As many new connections per second as keep both ends far from a whole core."""
    if not speeds:
        return _FEWEST
    each = (speeds[0].sign_us + 2 * speeds[0].verify_us + 1000) / 1e6
    return min(_MOST, max(_FEWEST, _BUSY / each))


def _bearable(collected: Collected, rate: float) -> float:
    """The next round's rate: lower where handshakes fell behind, whose CPU then falls into other windows."""
    last = collected.windows["full"][-_WINDOWS:]
    reached = sum(each.handshakes for each in last) / sum(each.seconds for each in last) * len(_MODES)
    return rate if reached >= _KEPT_UP * rate else max(_LEAST, _KEPT_UP * reached)


def _round(ground: Ground, schedule: Schedule, number: int, rate: float, collected: Collected) -> None:
    """Windows of each kind, which belong together by number; then the direct client."""
    steps = [Step(rate, schedule.window_s)] * _WINDOWS + [Step(rate * _SLOW, schedule.window_s)]
    for mode, done in drive_side_by_side(ground.places, steps, number).items():
        *windows, slow = done.windows
        collected.windows[mode] += windows
        collected.slow.append(slow)
        collected.misrouted += done.misrouted
        collected.measured_from_us.setdefault(mode, done.measured_from_us)
    _direct(ground, schedule.shots, collected)


def _direct(ground: Ground, shots: int, collected: Collected) -> None:
    client = _client(ground)
    client.kept(shots, collected.direct["kept"])
    client.full(shots, collected.direct["full"])
    client.resumed(shots, collected.direct["resumed"])
    client.bare(shots, collected.direct["bare"])


def _client(ground: Ground) -> DirectClient:
    scenario, stack = ground.run.scenario, ground.stacks["full"]
    names = scenario.traffic.first.expect.nodes or nodes_of(ground.run.prepared)
    part = next((each for name in names if (each := stack.component(name)).tls in ("simple", "mutual")), None)
    if part is None:
        raise MeasurementError(
            f"none of {', '.join(names)} speaks TLS: there is no handshake to make directly."
        )
    pid = part.pid
    if pid is None:
        raise MeasurementError(f"{part.name}: its CPU cannot be read here.")
    return DirectClient(
        address=next(iter(part.addresses.values())),
        host=scenario.traffic.host,
        path=scenario.traffic.path,
        tls_version=ground.plan.tls_version,
        certificates=ground.run.material.of_node(part.name, scenario.nodes[part.name].set),
        presents_certificate=ground.plan.client_certificate,
        node_cpu=lambda: cpu_seconds(pid, part.name),
    )


def _note_speed(collected: Collected, plan: GroundPlan, speed_of: Speedometer) -> None:
    """Without an oracle there are figures all the same, and cells that say so."""
    try:
        collected.speeds.append(speed_of(plan.key))
    except MeasurementError:
        return


def _speed(plan: GroundPlan, collected: Collected) -> CryptoSpeed | None:
    found = collected.speeds
    if not found:
        return None
    return CryptoSpeed(
        key=plan.key,
        sign_us=statistics.median(each.sign_us for each in found),
        verify_us=statistics.median(each.verify_us for each in found),
        fastest_sign_us=min(each.sign_us for each in found),
        fastest_verify_us=min(each.verify_us for each in found),
        runs=len(found),
        library=openssl_version() or "openssl",
    )


def _cell(
    ground: Ground,
    kind: HandshakeKind,
    collected: Collected,
    speed: CryptoSpeed | None,
    wire: WireBytes | None,
) -> TlsCell:
    new = _entries(ground, kind, collected)
    kept = _entries(ground, "kept", collected)
    fits = {end: collected.fit(end).get(kind) for end in ENDS}
    agreed = _agreed(ground, kind)
    clocks, agree = read_clocks(_clock_input(collected, kind, fits, new, kept), kind, ground.plan.tls_version)
    return TlsCell(
        key=ground.plan.key,
        tls_version=ground.plan.tls_version,
        kind=kind,
        client_certificate=ground.plan.client_certificate,
        connections=len(new),
        of_other_kind=sum(
            window.resumed if kind == "full" else window.full for window in collected.windows[kind]
        ),
        handshake_us=median_interval([each.secured_us for each in new if each.secured_us is not None]),
        connection_us=median_interval([each.set_up_us for each in new if each.set_up_us is not None]),
        gateway_cpu_us=fits["gateway"],
        node_cpu_us=fits["node"],
        bytes_sent=wire.sent if wire is not None else None,
        bytes_received=wire.received if wire is not None else None,
        signature=agreed.signature,
        curve=agreed.curve,
        cipher=agreed.cipher,
        clocks=clocks,
        clocks_agree=agree,
        oracle=tuple(
            oracle_line(end, kind, speed, found, client_certificate=ground.plan.client_certificate)
            for end in ENDS
            if speed is not None and (found := fits[end]) is not None
        ),
    )


def _agreed(ground: Ground, kind: HandshakeKind) -> Agreed:
    return read_agreed(ground.stacks[kind].component(gateway_of(ground.run)))


def _entries(ground: Ground, mode: str, collected: Collected) -> list[ConnectionEntry]:
    """The gateway's log of the measured windows; with new connections, the first request of each."""
    log = ground.stacks[mode].component(gateway_of(ground.run)).access_log
    if log is None:
        raise MeasurementError("the gateway keeps no access log: its handshakes cannot be read.")
    ground.run.instruments.await_logs([log])
    begin = collected.measured_from_us.get(mode, 0)
    return [each for each in read_connections(log) if each.time_us >= begin and each.status]


def _clock_input(
    collected: Collected,
    kind: HandshakeKind,
    fits: dict[End, Estimate | None],
    new: list[ConnectionEntry],
    kept: list[ConnectionEntry],
) -> ClockInput:
    direct, plain, bare = (collected.direct[name] for name in (kind, "kept", "bare"))
    own = [shot for shot in direct.shots if shot.resumed is (kind == "resumed")]
    own_cpu, kept_cpu, bare_cpu = direct.cpu_us, plain.cpu_us, bare.cpu_us
    node_bare = bare.node_cpu_us
    return ClockInput(
        gateway_cpu=fits["gateway"],
        node_cpu=fits["node"],
        bare_cpu=bare_cpu + node_bare if bare_cpu is not None and node_bare is not None else None,
        envoy_new=WallTimes.of([each.answered_us for each in new]),
        envoy_kept=WallTimes.of([each.turn_us for each in kept]),
        direct_new=WallTimes.of([shot.answered_us for shot in own]),
        direct_kept=WallTimes.of([shot.answered_us for shot in plain.shots]),
        direct_cpu=own_cpu - kept_cpu if own_cpu is not None and kept_cpu is not None else None,
        node_kept_cpu=plain.node_cpu_us,
    )


def _refusal(ground: Ground, collected: Collected) -> str:
    """The name of the reason that most connections failed with."""
    causes = causes_of(_entries(ground, "full", collected))
    return max(causes, key=lambda name: causes[name], default="for a reason that no log names")


def _without(
    plan: GroundPlan, kind: HandshakeKind, *, fault: str | None = None, refusal: str | None = None
) -> TlsCell:
    return TlsCell(
        key=plan.key,
        tls_version=plan.tls_version,
        kind=kind,
        client_certificate=plan.client_certificate,
        connections=0,
        of_other_kind=0,
        handshake_us=None,
        connection_us=None,
        gateway_cpu_us=None,
        node_cpu_us=None,
        bytes_sent=None,
        bytes_received=None,
        signature=None,
        curve=None,
        cipher=None,
        fault=fault,
        refusal=refusal,
    )
