"""The cells of one ground: figures from its windows, its logs and its direct client, or why not."""

from __future__ import annotations

import statistics

from bench.analysis.tls import ClockInput, WallTimes, median_interval, oracle_line, read_clocks
from bench.errors import MeasurementError
from bench.experiment.handshake.lab.agreed import Agreed, read_agreed
from bench.experiment.handshake.lab.bench import gateway_of
from bench.experiment.handshake.lab.ground import Collected, Ground, Mode
from bench.experiment.handshake.lab.refusals import causes_of
from bench.experiment.handshake.lab.settings import GroundPlan
from bench.experiment.handshake.lab.wire import WireBytes
from bench.result import ENDS, CryptoSpeed, End, Estimate, HandshakeKind, TlsCell
from bench.telemetry import ConnectionEntry, openssl_version, read_connections

_UNNAMED = "unknown"
"""The reason of a refusal that no log names."""


def oracle_speed(plan: GroundPlan, collected: Collected) -> CryptoSpeed | None:
    """What the oracle said in the minutes of this ground; None: there is none."""
    found = collected.speeds
    if not found:
        return None
    return CryptoSpeed(
        key=plan.key,
        # As the CPU of handshakes is a mean over the pace that the machine had.
        sign_us=statistics.fmean(each.sign_us for each in found),
        verify_us=statistics.fmean(each.verify_us for each in found),
        fastest_sign_us=min(each.sign_us for each in found),
        fastest_verify_us=min(each.verify_us for each in found),
        runs=len(found),
        library=openssl_version() or "openssl",
    )


def cell_of(
    ground: Ground,
    kind: HandshakeKind,
    collected: Collected,
    speed: CryptoSpeed | None,
    wire: WireBytes | None,
) -> TlsCell:
    """One cell with all its figures; *wire*: of its kind, where it was read.

    Raises:
        MeasurementError: the gateway keeps no access log.
    """
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
        of_other_kind=sum(window.resumed if kind == "full" else window.full for window in collected.of(kind)),
        handshake_us=median_interval([each.secured_us for each in new if each.secured_us is not None]),
        connection_us=median_interval([each.set_up_us for each in new if each.set_up_us is not None]),
        gateway_cpu_us=fits["gateway"],
        node_cpu_us=fits["node"],
        bytes_sent=wire.sent if wire is not None else None,
        bytes_received=wire.received if wire is not None else None,
        signature=agreed.signature,
        curve=agreed.curve,
        cipher=agreed.cipher,
        pace_us=collected.pace_us,
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


def _entries(ground: Ground, mode: Mode, collected: Collected) -> list[ConnectionEntry]:
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
    direct, plain, bare = collected.direct.of(kind), collected.direct.kept, collected.direct.bare
    own = [shot for shot in direct.shots if shot.resumed is (kind == "resumed")]
    own_cpu, kept_cpu = direct.cpu_us, plain.cpu_us
    return ClockInput(
        gateway_cpu=fits["gateway"],
        node_cpu=fits["node"],
        direct_bare_cpu=bare.cpu_us,
        node_bare_cpu=bare.node_cpu_us,
        envoy_new=WallTimes.of([each.answered_us for each in new]),
        envoy_kept=WallTimes.of([each.turn_us for each in kept]),
        direct_new=WallTimes.of([shot.answered_us for shot in own]),
        direct_kept=WallTimes.of([shot.answered_us for shot in plain.shots]),
        direct_cpu=own_cpu - kept_cpu if own_cpu is not None and kept_cpu is not None else None,
        direct_kept_cpu=kept_cpu,
        node_kept_cpu=plain.node_cpu_us,
    )


def refusal_of(ground: Ground, collected: Collected) -> str:
    """The name of the reason that most connections failed with."""
    causes = causes_of(_entries(ground, "full", collected))
    return max(causes, key=lambda name: causes[name], default=_UNNAMED)


def empty_cell(
    plan: GroundPlan, kind: HandshakeKind, *, fault: str | None = None, refusal: str | None = None
) -> TlsCell:
    """A cell without figures, and why: a *fault* of the measurement, or a *refusal* of either end."""
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
