"""What the logs and counters of the handshake trials say: times, kinds, and the cost of a connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.analysis.latency import summarise_values
from bench.analysis.part_costs import Role, cpu_us_of_role, mean
from bench.errors import MeasurementError
from bench.measure import StackReadings, Trial
from bench.result import HandshakeKind, HandshakeMode, HandshakeResult
from bench.stack import Stack
from bench.stack.nodes import FLUSH_INTERVAL_S
from bench.telemetry import EnvoyEntry, collect_handshakes, read_envoy_log, read_node_log, wait_until_flushed

_MOST_OF_OTHER_KIND = 0.01
"""Part of the measured handshakes of a resumed mode that may be full: more would show in its CPU."""


def handshake_result(key: str, modes: Sequence[HandshakeMode], kept: Sequence[Trial]) -> HandshakeResult:
    """Put the modes beside the trials with kept connections that they were compared with."""
    return HandshakeResult(
        key=key,
        gateway_cpu_us_per_request_kept=_cpu(kept, "egress"),
        node_cpu_us_per_request_kept=_cpu(kept, "node"),
        modes=tuple(modes),
    )


def read_mode(
    name: HandshakeKind, stack: Stack, gateway: str, trial: Trial, kept: Sequence[Trial]
) -> HandshakeMode:
    """Read the handshakes of *trial* from the logs of its *stack*, which carried nothing else.

    Raises:
        MeasurementError: there is no log, or it holds no handshake.
    """
    entries, reused = _logs(stack, gateway)
    if trial.readings is None:
        raise MeasurementError(f"{trial.result.name}: nothing was read about the gateway.")
    return judge_mode(name, entries, reused, trial.readings, trial=trial, kept=kept)


def judge_mode(
    name: HandshakeKind,
    entries: Sequence[EnvoyEntry],
    reused: Mapping[str, bool],
    readings: StackReadings,
    *,
    trial: Trial,
    kept: Sequence[Trial],
) -> HandshakeMode:
    """Report times and cost of one mode, and whether it is what it claims to be.

    A handshake was resumed if the node that took it says so of the request that its connection carried:
    Envoy's own log does not show.

    Args:
        name: the kind of handshake that the mode is about.
        entries: the gateway's log of the whole trial.
        reused: request id -> whether the node that answered had resumed a session.
        readings: what Envoy counted over the same window as the log, and when the measured stage began.
        trial: the load, one connection for each request.
        kept: the trials to compare with.

    Raises:
        MeasurementError: the log holds no handshake.
    """
    counted, measured_from_us = readings.whole_tls, readings.measured_from_us
    every = collect_handshakes(entries)
    if not every.samples:
        raise MeasurementError(
            f"the gateway's access log of {trial.result.name!r} holds no TLS handshake.",
            remedy="Does the DestinationRule originate TLS towards the nodes?",
        )
    reported = [entry for entry in entries if entry.id in reused]
    own, other = (
        [entry for entry in reported if reused[entry.id or ""] is is_resumed]
        for is_resumed in (name == "resumed", name != "resumed")
    )
    measured, stray = (
        collect_handshakes(entry for entry in some if entry.time_us >= measured_from_us)
        for some in (own, other)
    )
    of_own, of_other = len(collect_handshakes(own).samples), len(collect_handshakes(other).samples)
    resumed = of_own if name == "resumed" else of_other
    # A session begins with a full handshake, so the warm-up of a resumed mode has some; nothing excuses a
    # resumed one where no session is kept.
    is_of_its_kind = (
        len(stray.samples) <= _MOST_OF_OTHER_KIND * len(measured.samples)
        if name == "resumed"
        else of_other == 0
    )
    per_request = _connections_per_request(trial)
    gateway, node = (_cpu([trial], role) for role in ("egress", "node"))
    return HandshakeMode(
        name=name,
        connections=len(every.samples),
        handshakes=counted.handshakes if counted is not None else None,
        sessions_reused=counted.resumed if counted is not None else None,
        of_other_kind=of_other,
        counts_agree=counted is not None
        and len(every.samples) == counted.handshakes == of_own + of_other
        and resumed == counted.resumed
        and is_of_its_kind,
        tls_versions=every.tls_versions,
        ciphers=every.ciphers,
        connect_time=summarise_values(measured.connect_us),
        handshake_time=summarise_values(measured.handshake_us),
        connections_per_request=per_request,
        gateway_cpu_us_per_request=gateway,
        node_cpu_us_per_request=node,
        gateway_cpu_us_per_connection=_per_connection(gateway, _cpu(kept, "egress"), per_request),
        node_cpu_us_per_connection=_per_connection(node, _cpu(kept, "node"), per_request),
    )


def _logs(stack: Stack, gateway: str) -> tuple[Sequence[EnvoyEntry], Mapping[str, bool]]:
    """The gateway's entries, and request id -> whether the node that answered had resumed a session."""
    gateway_log = _log_of(stack, gateway)
    node_logs = [_log_of(stack, part.name) for part in stack.components() if part.role == "node"]
    wait_until_flushed([gateway_log, *node_logs], quiet_s=2 * FLUSH_INTERVAL_S)
    reused = {
        entry.id: entry.session_reused
        for log in node_logs
        for entry in read_node_log(log)
        if entry.id is not None
    }
    return list(read_envoy_log(gateway_log)), reused


def _log_of(stack: Stack, name: str) -> Path:
    log = stack.component(name).access_log
    if log is None:
        raise MeasurementError(f"{name} keeps no access log: its handshakes cannot be read.")
    return log


def _connections_per_request(trial: Trial) -> float | None:
    opened, sent = trial.result.new_upstream_connections, trial.result.total.sent
    return opened / sent if opened is not None and sent else None


def _per_connection(with_it: float | None, kept: float | None, connections: float | None) -> float | None:
    """What is spent above *kept* for each new connection; None if anything is unknown or none was opened."""
    if with_it is None or kept is None or not connections:
        return None
    return (with_it - kept) / connections


def _cpu(trials: Iterable[Trial], role: Role) -> float | None:
    """CPU in µs per request of all parts of one role together, averaged over *trials*."""
    return mean(cpu_us_of_role(trial.result, role) for trial in trials)
