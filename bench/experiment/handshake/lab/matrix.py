"""One ground of the matrix: windows of each kind side by side, a direct client and the oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.analysis.cost import Window as CostWindow
from bench.analysis.cost import fit
from bench.errors import BenchError, MeasurementError
from bench.experiment.handshake.lab.bench import gateway_of
from bench.experiment.handshake.lab.cells import cell_of, empty_cell, oracle_speed, refusal_of
from bench.experiment.handshake.lab.direct import DirectClient
from bench.experiment.handshake.lab.ground import MODES, Collected, Ground, Mode
from bench.experiment.handshake.lab.settings import GroundPlan, Schedule
from bench.experiment.handshake.lab.traffic import nodes_of
from bench.experiment.handshake.lab.variations import variation_of
from bench.experiment.handshake.lab.windows import (
    SHARED_WARM_UP_S,
    Step,
    Window,
    drive_side_by_side,
)
from bench.experiment.handshake.lab.wire import measure_wire
from bench.experiment.run_context import RunContext
from bench.result import HANDSHAKE_KINDS, CryptoSpeed, HandshakeKind, LabModel, TlsCell
from bench.telemetry import (
    OpensslSpeed,
    cpu_seconds,
    openssl_speed,
)

_BUSY = 0.5
"""Share of one core that each end's signatures may take: with fewer, caches are cold, and all that is beside
them costs more."""
_FEWEST, _MOST = 25.0, 240.0
"""New connections per second."""
_WINDOWS = 4
"""Of each kind in a round."""
_SLOW = 0.25
"""Share of the rate in one more window of each kind: the cost model knows its base from requests by it."""
_SLOW_LENGTH = 0.5
"""Of that window, as a share of the others."""
_MUCH_DEARER = 0.6
"""Where full handshakes allow less than this share of the rate of resumed ones, these have a load of their
own: at a rate for signatures of RSA-4096 they would be too few for a narrow interval."""
_LEAST = 5.0
_KEPT_UP = 0.8
"""Share of the intended handshakes that a window must bring."""
_ROUND_OF_OTHERS_S = 3.2
"""Of a round, beside its load: starting it, the direct client and, after every other one, the oracle."""
_ROUNDS_OF_ORACLE = 2

Speedometer = Callable[[str], OpensslSpeed]


@dataclass(frozen=True, slots=True)
class GroundResult:
    """What one ground produced."""

    cells: tuple[TlsCell, ...]
    speed: CryptoSpeed | None
    """The oracle's, in its minutes."""
    model: LabModel | None
    misrouted: int
    rounds_s: float
    """How long its rounds took."""


@dataclass(slots=True)
class RoundLoad:
    """One of the loads of a round: whose windows they are, and how many new connections per second."""

    modes: Sequence[Mode]
    rate: float

    def serves(self, kinds: frozenset[HandshakeKind]) -> bool:
        """Whether it makes handshakes of any of *kinds*."""
        return not kinds.isdisjoint(self.modes)


def measure_ground(
    run: RunContext,
    plan: GroundPlan,
    schedule: Schedule,
    *,
    rounds: int | None = None,
    time_s: float | None = None,
    speed_of: Speedometer = openssl_speed,
) -> GroundResult:
    """The two cells of a ground, and what else its windows bring.

    A ground that cannot run gives cells that say why: the others go on.

    Args:
        run: of a scenario with the ground's key.
        plan: what is measured.
        schedule: for how long.
        rounds: exactly so many; None: until the intervals are narrow enough.
        time_s: after so many seconds no further round begins; None: as *schedule* says.
        speed_of: the oracle.
    """
    collected = Collected()
    clock = run.instruments.clock
    begun = clock()
    try:
        with ExitStack() as running:
            ground = _start(run, running, plan)
            begun = clock()
            until = _Until(rounds, begun + (time_s or schedule.ground_s))
            _rounds(ground, schedule, until, speed_of, collected)
            rounds_s = clock() - begun
            if not collected.has_handshakes:
                reason = refusal_of(ground, collected)
                refused = tuple(empty_cell(plan, kind, refusal=reason) for kind in HANDSHAKE_KINDS)
                speed = oracle_speed(plan, collected)
                return GroundResult(refused, speed, None, collected.misrouted, rounds_s)
            wire = measure_wire(run, ground.places(MODES), plan)
            speed = oracle_speed(plan, collected)
            cells = [cell_of(ground, kind, collected, speed, wire.get(kind)) for kind in HANDSHAKE_KINDS]
    except BenchError as error:
        run.observer.note(f"{plan.name}: {error}")
        broken = tuple(empty_cell(plan, kind, fault=str(error)) for kind in HANDSHAKE_KINDS)
        return GroundResult(broken, None, None, collected.misrouted, clock() - begun)
    return GroundResult(tuple(cells), speed, _model(plan, collected), collected.misrouted, rounds_s)


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
        for each in (*(window for mode in MODES for window in collected.of(mode)), *collected.slow)
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
        for mode in MODES
    }
    gateway = gateway_of(run)
    meters = {
        mode: running.enter_context(run.instruments.open_meter(stack, gateway))
        for mode, stack in stacks.items()
    }
    return Ground(run, plan, stacks, meters)


@dataclass(frozen=True, slots=True)
class _Until:
    """When the rounds of a ground end."""

    rounds: int | None
    """Exactly so many; None: as the schedule says."""
    time: float
    """On the clock of the run."""


def _rounds(
    ground: Ground, schedule: Schedule, until: _Until, speed_of: Speedometer, collected: Collected
) -> None:
    """Rounds until the intervals are narrow enough, or as many as are wanted."""
    _note_speed(collected, ground.plan, speed_of)
    loads = loads_of(collected.speeds)
    clock = ground.run.instruments.clock
    least, most = (schedule.rounds, schedule.most_rounds) if until.rounds is None else (until.rounds,) * 2
    for number in range(most):
        ground.run.observer.stage(
            f"{ground.plan.name}: round {number + 1}",
            round_s(schedule, sum(len(each.modes) for each in loads)),
        )
        _round(ground, schedule, number, loads, collected)
        if not collected.has_handshakes:
            return
        wanted = collected.imprecise if number + 1 >= least else frozenset(HANDSHAKE_KINDS)
        is_over = number + 1 == most or not wanted or (number + 1 >= least and clock() > until.time)
        # The oracle meets the same fast and slow moments.
        if is_over or number % _ROUNDS_OF_ORACLE == 0:
            _note_speed(collected, ground.plan, speed_of)
        if is_over:
            return
        if until.rounds is None:
            # What one of two loads has settled needs no more of its time.
            loads = [each for each in loads if each.serves(wanted)]


def round_s(schedule: Schedule, stacks: int = len(MODES)) -> float:
    """How long a round takes; *stacks*: how many take turns in its loads."""
    return stacks * ((_WINDOWS + _SLOW_LENGTH) * schedule.window_s + SHARED_WARM_UP_S) + _ROUND_OF_OTHERS_S


def loads_of(speeds: list[OpensslSpeed]) -> list[RoundLoad]:
    """As many new connections per second as leave both ends half a core."""
    if not speeds:
        return [RoundLoad(MODES, _FEWEST)]
    each = (speeds[0].sign_us + 2 * speeds[0].verify_us + 1000) / 1e6
    rate = min(_MOST, max(_FEWEST, _BUSY / each))
    if rate >= _MUCH_DEARER * _MOST:
        return [RoundLoad(MODES, rate)]
    return [RoundLoad(("kept", "full"), rate), RoundLoad(("kept", "resumed"), _MOST)]


def _bearable(windows: Sequence[Window], load: RoundLoad) -> float:
    """The next round's rate: lower where handshakes fell behind, whose CPU then falls into other windows."""
    reached = sum(each.handshakes for each in windows) / sum(each.seconds for each in windows)
    reached *= len(load.modes)
    return load.rate if reached >= _KEPT_UP * load.rate else max(_LEAST, _KEPT_UP * reached)


def _round(
    ground: Ground, schedule: Schedule, number: int, loads: Sequence[RoundLoad], collected: Collected
) -> None:
    """Windows of each kind, those of the same moments together; then the direct client."""
    found: list[list[Mapping[Mode, Window]]] = []
    # Those of the first rounds are enough for the cost model.
    has_slow = number < schedule.rounds
    for at, load in enumerate(loads):
        steps = [Step(load.rate, schedule.window_s)] * _WINDOWS
        if has_slow:
            steps.append(Step(load.rate * _SLOW, schedule.window_s * _SLOW_LENGTH))
        drives = drive_side_by_side(ground.places(load.modes), steps, number * len(MODES) + at)
        for mode, done in drives.items():
            collected.slow += done.windows[_WINDOWS:]
            collected.misrouted += done.misrouted
            collected.measured_from_us.setdefault(mode, done.measured_from_us)
        found.append(
            [{mode: done.windows[place] for mode, done in drives.items()} for place in range(_WINDOWS)]
        )
        load.rate = _bearable(drives[load.modes[1]].windows[:_WINDOWS], load)
    collected.rounds += zip(*found, strict=True)
    _client(ground).in_turn(schedule.shots, collected.direct)


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
