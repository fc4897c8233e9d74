"""What TLS towards the nodes costs in time and CPU: full handshakes and resumed ones, never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.analysis.handshake import doubts
from bench.report.document import Facts, Note, Part, Section, Table
from bench.report.text import PERCENTILE_COLUMNS, UNKNOWN, micros, percentile_cells
from bench.result import HandshakeResult, Result, TrialResult
from bench.units import format_count

_LEAD = (
    "Trials in which the gateway opens a new upstream connection for each request. In a full handshake both"
    " sides sign, send and verify certificates: the first one with a node is full, and every one if no"
    " session is kept. A resumed one continues the session of an earlier connection, as Envoy does by default"
    " wherever the node agrees. Size a gateway by full ones where all connections may be new at once, such as"
    " after a restart. Times are Envoy's own, one sample for each connection."
)


NOT_MEASURED = (
    "Handshakes were not measured in this run. To measure them, run with --handshake, or give the scenario a"
    " section `handshake: {}`."
)


def handshake(result: Result) -> Section:
    """Time and CPU of TLS towards the nodes, by kind of handshake."""
    found = result.handshake
    parts: list[Part] = [Note(NOT_MEASURED)]
    if found is not None:
        parts = [*_doubts(found), _times(found), _cpu(found), _counts(found), _facts(found)]
        connections = _connections(result)
        if connections.rows:
            parts.append(connections)
    return Section("handshake", "TLS handshake", tuple(parts), _LEAD)


def _times(found: HandshakeResult) -> Table:
    handshakes = [(f"{mode.name} handshake", mode.handshake_time) for mode in found.modes]
    connects = [(f"TCP connect before a {mode.name} one", mode.connect_time) for mode in found.modes]
    return Table(
        columns=("", *PERCENTILE_COLUMNS),
        rows=tuple((name, *percentile_cells(time)) for name, time in (*handshakes, *connects)),
        caption="Microseconds, measured stage, connections with that kind of handshake only.",
    )


def _cpu(found: HandshakeResult) -> Table:
    rows = []
    for mode in found.modes:
        for part, new, kept, one in (
            (
                "gateway",
                mode.gateway_cpu_us_per_request,
                found.gateway_cpu_us_per_request_kept,
                mode.gateway_cpu_us_per_connection,
            ),
            (
                "nodes",
                mode.node_cpu_us_per_request,
                found.node_cpu_us_per_request_kept,
                mode.node_cpu_us_per_connection,
            ),
        ):
            rows.append((mode.name, part, micros(new), micros(kept), micros(one)))
    return Table(
        columns=("handshake", "part", "new connection each", "connections kept", "one new connection"),
        rows=tuple(rows),
        numbers_from=2,
        caption="CPU time in microseconds per request, and what one new connection adds: TCP, the handshake"
        " and the close.",
    )


def _counts(found: HandshakeResult) -> Table:
    return Table(
        columns=(
            "handshake",
            "connections in the log",
            "handshakes counted",
            "resumed counted",
            "of the other kind",
            "per request",
            "accounts agree",
        ),
        rows=tuple(
            (
                mode.name,
                format_count(mode.connections),
                format_count(mode.handshakes),
                format_count(mode.sessions_reused),
                format_count(mode.of_other_kind),
                UNKNOWN if mode.connections_per_request is None else f"{mode.connections_per_request:.2f}",
                "✓" if mode.counts_agree else "✗",
            )
            for mode in found.modes
        ),
        marks=tuple("good" if mode.counts_agree else "bad" for mode in found.modes),
        mark_column=6,
        caption="Three accounts of the same connections, warm-up included: the gateway's access log, Envoy's"
        " counters, and what the nodes say of each connection. Per request: new connections of the measured"
        " stage, by the counters.",
    )


def _facts(found: HandshakeResult) -> Facts:
    return Facts(
        (
            ("key of the certificates", found.key),
            *((f"TLS, {mode.name}", _tally(mode.tls_versions, mode.ciphers)) for mode in found.modes),
        )
    )


def _tally(*counts: dict[str, int]) -> str:
    texts = (", ".join(f"{name} ({number:,})" for name, number in some.items()) for some in counts if some)
    return "; ".join(texts) or UNKNOWN


def _doubts(found: HandshakeResult) -> Iterable[Note]:
    for doubt in doubts(found):
        text = f"{doubt.message} {doubt.advice}"
        yield Note(f"{text[0].upper()}{text[1:]}", "bad")


def _connections(result: Result) -> Table:
    """Proof that connections were new where they should be, and kept where they should be kept."""
    steady = [trial for trial in result.trials if trial.experiment == "steady"]
    others = [trial for trial in result.trials if trial.experiment != "steady"]
    groups = [(trial.name, [trial]) for trial in others]
    if steady:
        groups.insert(0, (f"all {len(steady)} steady trials", steady))
    return Table(
        columns=("trial", "sent", "connections", "per request", "handshakes", "resumed"),
        rows=tuple(
            _opened(name, trials)
            for name, trials in groups
            if any(trial.new_upstream_connections is not None for trial in trials)
        ),
        caption="Upstream connections that the gateway opened in each measured stage, by Envoy's counters.",
    )


def _opened(name: str, trials: Sequence[TrialResult]) -> tuple[str, ...]:
    sent = sum(trial.total.sent for trial in trials)
    new = _sum(trial.new_upstream_connections for trial in trials)
    return (
        name,
        format_count(sent),
        format_count(new),
        f"{new / sent:.3g}" if sent and new is not None else UNKNOWN,
        format_count(_sum(trial.handshakes for trial in trials)),
        format_count(_sum(trial.sessions_reused for trial in trials)),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum; unknown if one of them is."""
    found = list(counts)
    known = [count for count in found if count is not None]
    return sum(known) if len(known) == len(found) else None
