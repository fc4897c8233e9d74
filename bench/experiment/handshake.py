"""What a new upstream connection costs the gateway and the nodes, in time and CPU.

Two stacks differ in one setting: with ``max_requests_per_connection: 1`` the gateway opens a connection for
each request. Both log at the gateway, so the difference is the connection alone. Trials are interleaved,
kept, new, kept, so that a drift of the machine falls on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from bench.analysis.latency import summarise_values
from bench.errors import MeasurementError
from bench.experiment.trial import Trial, TrialPlan
from bench.result import HandshakeResult, Latency
from bench.scenario.models import Handshake
from bench.scenario.traffic import Constant
from bench.stack.nginx import FLUSH_INTERVAL_S
from bench.stack.protocol import Stack
from bench.telemetry.access_log import EnvoyEntry, read_envoy_log, read_node_log, wait_until_flushed
from bench.telemetry.handshake import Handshakes, collect_handshakes


def handshake_plans(settings: Handshake) -> tuple[tuple[str, TrialPlan], ...]:
    """The trials in order, each with the stack that it runs on: ``new`` or ``kept`` connections."""
    halves = settings.measure_s / 2
    order = (("kept", halves, 1), ("new", settings.measure_s, 2), ("kept", halves, 3))
    return tuple(
        (
            stack,
            TrialPlan(
                name=f"{stack} connections {position}",
                experiment="handshake",
                config_source="static",
                schedule=Constant(arrival_rate=settings.arrival_rate),
                measure_s=seconds,
                position=position,
            ),
        )
        for stack, seconds, position in order
    )


def handshake_result(
    key: str, stack: Stack, gateway: str, new: Trial, kept: Sequence[Trial]
) -> HandshakeResult:
    """Read the handshakes of the trial *new* from the logs of its *stack*, which carried nothing else.

    A handshake was resumed if the node that took it says so of the request that its connection carried.

    Raises:
        MeasurementError: the logs hold no handshake.
    """
    entries, reused = _logs(stack, gateway)
    known = [entry for entry in entries if entry.id in reused]
    everything = collect_handshakes(entries)
    if not everything.samples:
        raise MeasurementError(
            f"the access log of {gateway} holds no TLS handshake.",
            remedy="Does the DestinationRule originate TLS towards the nodes?",
        )
    full = collect_handshakes(entry for entry in known if not reused[entry.id or ""])
    resumed = collect_handshakes(entry for entry in known if reused[entry.id or ""])
    counted = new.whole_tls
    return HandshakeResult(
        key=key,
        tls_versions=everything.tls_versions,
        ciphers=everything.ciphers,
        connect_time=summarise_values(everything.connect_us),
        handshake_time=summarise_values(everything.handshake_us),
        full_handshake_time=_times(full),
        resumed_handshake_time=_times(resumed),
        connections=len(everything.samples),
        handshakes=counted.handshakes,
        sessions_reused=counted.resumed,
        counts_agree=len(everything.samples) == counted.handshakes
        and len(resumed.samples) == counted.resumed
        and len(full.samples) + len(resumed.samples) == len(everything.samples),
        gateway_cpu_us_per_request=_cpu([new], "egress"),
        gateway_cpu_us_per_request_without=_cpu(kept, "egress"),
        node_cpu_us_per_request=_cpu([new], "node"),
        node_cpu_us_per_request_without=_cpu(kept, "node"),
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


def _times(handshakes: Handshakes) -> Latency:
    return summarise_values(handshakes.handshake_us)


def _cpu(trials: Iterable[Trial], role: str) -> float | None:
    """CPU in µs per request of all parts of one role together, averaged over *trials*."""
    per_trial = [
        [cost.cpu_us_per_request for cost in trial.result.costs if cost.role == role] for trial in trials
    ]
    known = [[value for value in values if value is not None] for values in per_trial]
    if not known or any(
        len(some) != len(all_) or not some for some, all_ in zip(known, per_trial, strict=True)
    ):
        return None
    return fmean(sum(values) for values in known)
