"""What the path costs: TLS handshakes, static against EDS, CPU and memory of each part."""

from __future__ import annotations

import pandas as pd

from bench.analysis.compare import ENOUGH_BLOCKS, BlockComparison, compare_blocks
from bench.report.answers import difference
from bench.report.document import Chart, Facts, Note, Part, Section, Table
from bench.report.text import (
    PERCENTILE_COLUMNS,
    UNKNOWN,
    micros,
    percentile_cells,
    share,
    signed,
    with_unit,
)
from bench.result import HandshakeResult, Result
from bench.units import format_bytes, format_count


def handshake(result: Result) -> Section:
    """Time and CPU of TLS towards the nodes."""
    found = result.handshake
    lead = (
        "A stage in which the gateway opens a new upstream connection for each request. Times are Envoy's"
        " own,"
        " one sample for each upstream connection."
    )
    if found is None:
        return Section(
            "handshake", "TLS handshake", (Note("Handshakes were not measured in this run."),), lead
        )
    times = Table(
        columns=("", *PERCENTILE_COLUMNS),
        rows=(
            ("TCP connect", *percentile_cells(found.connect_time)),
            ("TLS handshake", *percentile_cells(found.handshake_time)),
        ),
        caption="Microseconds.",
    )
    parts: list[Part] = [times, _handshake_cpu(found), _handshake_counts(found)]
    connections = _connections(result)
    if connections.rows:
        parts.append(connections)
    if not found.counts_agree:
        parts.append(
            Note(
                f"The access log shows {found.connections:,} connections, Envoy's counters"
                f" {found.handshakes:,} handshakes: the two accounts do not agree, so times and cost"
                f" above may"
                " miss some.",
                "bad",
            )
        )
    return Section("handshake", "TLS handshake", tuple(parts), lead)


def _connections(result: Result) -> Table:
    """Proof that connections were new where they should be, and kept where they should be kept."""
    rows = []
    for trial in result.trials:
        new, sent = trial.new_upstream_connections, trial.total.sent
        if new is None:
            continue
        rows.append(
            (
                trial.name,
                trial.experiment,
                format_count(sent),
                format_count(new),
                f"{new / sent:.3g}" if sent else UNKNOWN,
                format_count(trial.handshakes),
                format_count(trial.sessions_reused),
            )
        )
    return Table(
        columns=("trial", "experiment", "sent", "connections", "per request", "handshakes", "resumed"),
        rows=tuple(rows),
        numbers_from=2,
        caption="Upstream connections that the gateway opened in each measured stage, by Envoy's counters.",
    )


def _handshake_cpu(found: HandshakeResult) -> Table:
    rows = []
    for name, with_it, without in (
        ("gateway", found.gateway_cpu_us_per_request, found.gateway_cpu_us_per_request_without),
        ("nodes", found.node_cpu_us_per_request, found.node_cpu_us_per_request_without),
    ):
        rows.append((name, micros(with_it), micros(without), micros(difference(with_it, without))))
    return Table(
        columns=("", "new connection each", "connections kept", "difference: one connection set-up"),
        rows=tuple(rows),
        caption="CPU time in microseconds per request. The difference holds TCP, the handshake and the"
        " close.",
    )


def _handshake_counts(found: HandshakeResult) -> Facts:
    full = found.handshakes - found.sessions_reused
    return Facts(
        (
            ("key of the certificates", found.key),
            ("connections in the access log", format_count(found.connections)),
            ("handshakes in Envoy's counters", format_count(found.handshakes)),
            ("full handshakes", format_count(full)),
            (
                "resumed sessions",
                (
                    f"{found.sessions_reused:,} ("
                    f"{share(found.sessions_reused / found.handshakes if found.handshakes else None)})"
                ),
            ),
            ("both accounts agree", "yes" if found.counts_agree else "no"),
            ("TLS versions", _tally(found.tls_versions)),
            ("ciphers", _tally(found.ciphers)),
        ),
        caption="Counts, cross-checked.",
    )


def _tally(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counts.items()) or UNKNOWN


def config_source(result: Result, dots: str | None) -> Section:
    """Static against EDS, block by block."""
    blocks = [compare_blocks(comparison) for comparison in result.comparisons]
    lead = (
        "Both config sources in interleaved blocks, so that a drift of the machine meets both. The block"
        " is the"
        " unit: its difference is one observation."
    )
    if not any(block.blocks for block in blocks):
        return Section(
            "static-eds",
            "Static against EDS",
            (Note("No block with both config sources was completed in this run."),),
            lead,
        )
    parts: list[Part] = [
        Table(
            columns=("metric", "blocks", "static", "EDS", "ratio", "difference", "lowest", "highest"),
            rows=tuple(_block_row(block) for block in blocks),
            caption="Medians over the blocks. Difference: EDS less static within a block, with its lowest"
            " and highest.",
        ),
        _wordings(blocks),
    ]
    if dots:
        parts.append(
            Chart(
                "blocks",
                "Each dot is one trial, as its distance from the median of static; bars are medians.",
                dots,
            )
        )
    parts.append(_block_table(result))
    parts.append(
        Note(
            f"A difference is called resolved if at least {ENOUGH_BLOCKS} blocks agree in its sign and"
            f" even the"
            " smallest exceeds what one source varies by itself. Not resolved does not mean equal: this run"
            " cannot tell."
        )
    )
    return Section("static-eds", "Static against EDS", tuple(parts), lead)


def _wordings(blocks: list[BlockComparison]) -> Part:
    wordings = {block.wording for block in blocks}
    if len(wordings) == 1:
        return Note(f"What this allows to say, for every metric: {wordings.pop()}.")
    return Table(
        columns=("metric", "what this allows to say"),
        rows=tuple((block.metric, block.wording) for block in blocks),
        numbers_from=2,
    )


def _block_row(block: BlockComparison) -> tuple[str, ...]:
    low = min(block.differences, default=None)
    high = max(block.differences, default=None)
    return (
        block.metric,
        str(block.blocks),
        with_unit(block.static.median if block.static else None, block.unit),
        with_unit(block.eds.median if block.eds else None, block.unit),
        UNKNOWN if block.ratio is None else f"{block.ratio:.3f}",
        signed(block.difference, block.unit),
        signed(low, block.unit),
        signed(high, block.unit),
    )


def _block_table(result: Result) -> Table:
    frame = pd.DataFrame(
        [
            {"metric": comparison.metric, "source": source, "block": number, "value": with_unit(value, unit)}
            for comparison in result.comparisons
            for unit in [comparison.unit]
            for source, values in (("static", comparison.static), ("EDS", comparison.eds))
            for number, value in enumerate(values, start=1)
        ]
    )
    wide = frame.pivot_table(
        index=["metric", "source"], columns="block", values="value", aggfunc="first", sort=False
    )
    wide = wide.reindex(columns=sorted(wide.columns)).fillna(UNKNOWN)
    return Table(
        columns=("metric", "source", *(f"block {number}" for number in wide.columns)),
        rows=tuple(
            (*(str(part) for part in key), *(str(value) for value in row))
            for key, row in zip(wide.index, wide.to_numpy(), strict=True)
        ),
        numbers_from=2,
        caption="The values of each block.",
    )


def components(result: Result) -> Section:
    """CPU time per request and peak memory of each part, by experiment and source."""
    rows = [
        {
            "component": cost.component,
            "role": cost.role,
            "trials": f"{trial.experiment}, {trial.config_source}",
            "cpu": cost.cpu_us_per_request,
            "memory": cost.memory_bytes,
        }
        for trial in result.trials
        for cost in trial.costs
    ]
    lead = "CPU is the user and system time of each process, so it survives a noisy machine."
    if not rows:
        nothing = Note("Costs were not measured in this run.")
        return Section("components", "Cost of each part", (nothing,), lead)
    frame = pd.DataFrame(rows).astype({"cpu": "float64", "memory": "float64"})
    grouped = frame.groupby(["component", "role", "trials"], sort=False)
    cpu = grouped["cpu"].median().unstack("trials", sort=False)  # noqa: PD010 - a Series, one value for each cell
    memory = frame.groupby(["component", "role"], sort=False)["memory"].max()
    table = Table(
        columns=("part", "role", *(str(name) for name in cpu.columns), "peak memory"),
        rows=tuple(
            (
                str(key[0]),
                str(key[1]),
                *(micros(None if pd.isna(value) else float(value)) for value in values),
                format_bytes(None if pd.isna(memory[key]) else float(memory[key])),
            )
            for key, values in zip(cpu.index, cpu.to_numpy(), strict=True)
        ),
        numbers_from=2,
        caption="Microseconds of CPU per request, median of the trials; memory: the largest of all trials.",
    )
    return Section("components", "Cost of each part", (table,), lead)
