"""What the paths of several results cost, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.compare import compare_sources
from bench.analysis.part_costs import cpu_us_of_part, memory_bytes_of_part
from bench.analysis.verdict import judge
from bench.report.comparison.tables import Row, figure_table, letters, steady
from bench.report.document import Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.text import UNKNOWN, micros, rate, share, with_unit
from bench.result import HANDSHAKE_KINDS, HandshakeKind, Result
from bench.units import format_bytes


def costs(results: Sequence[Result]) -> Section:
    """CPU per request and peak memory of each part."""
    keys = dict.fromkeys(
        (cost.component, trial.config_source)
        for result in results
        for trial in steady(result)
        for cost in trial.costs
    )

    def cpu(result: Result, component: str, source: str | None) -> float | None:
        trials = [trial for trial in steady(result) if trial.config_source == source]
        return cpu_us_of_part(trials, component)

    def memory(result: Result, component: str) -> float | None:
        return memory_bytes_of_part(steady(result), component)

    cpus = figure_table(
        ("part", "config source"),
        [
            Row(
                (component, source or "not ours"), tuple(cpu(result, component, source) for result in results)
            )
            for component, source in keys
        ],
        micros,
        caption="Microseconds of CPU per request, median of the steady trials.",
    )
    memories = figure_table(
        ("part",),
        [
            Row((component,), tuple(memory(result, component) for result in results))
            for component in dict.fromkeys(component for component, _ in keys)
        ],
        format_bytes,
        caption="Peak memory, the largest of the steady trials.",
    )
    parts: tuple[Part, ...] = tuple(table for table in (cpus, memories) if table.rows)
    return Section(
        "components",
        "Cost of each part",
        parts or (Note("Costs were not measured in these results."),),
        "CPU is the user and system time of each process: the figures least affected by a noisy machine.",
    )


def handshakes(results: Sequence[Result]) -> Section:
    """Time and CPU of new TLS connections, by kind."""

    def row(kind: HandshakeKind, name: str, pick: Callable[..., float | None]) -> Row:
        modes = [result.handshake.mode(kind) if result.handshake else None for result in results]
        return Row((kind, name), tuple(pick(mode) if mode is not None else None for mode in modes))

    table = figure_table(
        ("handshake", "µs"),
        [
            row(kind, name, pick)
            for kind in HANDSHAKE_KINDS
            for name, pick in (
                ("TLS, p50", lambda mode: mode.handshake_time.p50),
                ("TLS, p99", lambda mode: mode.handshake_time.p99),
                ("TCP connect, p50", lambda mode: mode.connect_time.p50),
                ("CPU of the gateway for a new connection", lambda mode: mode.gateway_cpu_us_per_connection),
                ("CPU of the nodes for a new connection", lambda mode: mode.node_cpu_us_per_connection),
            )
        ],
        micros,
        caption="Microseconds, by the gateway's own clock; CPU on top of a request on a kept connection.",
    )
    keys = [result.handshake.key if result.handshake else None for result in results]
    summary = ", ".join(
        f"{letter} {key or 'not measured'}" for letter, key in zip(letters(len(results)), keys, strict=True)
    )
    parts: tuple[Part, ...] = (
        (table, Note(f"Keys of the certificates: {summary}."))
        if table.rows
        else (Note("Handshakes were not measured in these results."),)
    )
    return Section("handshake", "TLS handshake", parts)


def capacity(results: Sequence[Result]) -> Section:
    """What may be said about capacity, which is: not more than was measured."""
    rows = tuple(
        (
            letter,
            rate(_mean([trial.achieved_rate for trial in steady(result)])),
            share(result.generator.cpu_share if result.generator else None),
            micros(result.generator.cpu_us_per_request if result.generator else None),
            "yes" if judge(result).state == "generator-limited" else "no",
        )
        for letter, result in zip(letters(len(results)), results, strict=True)
    )
    return Section(
        "capacity",
        "Capacity",
        (
            Note(
                "No capacity was searched for in these runs: the rates are what was asked for, not ceilings."
            ),
            Table(
                columns=("result", "sent/s", "CPU of each worker", "CPU µs/request", "generator-limited"),
                rows=rows,
                caption="The generator of each run. One that was at its own limit yields no capacity.",
            ),
        ),
    )


def config_sources(results: Sequence[Result]) -> Section:
    """Static against EDS within each run: the only differences here that come from interleaved blocks."""
    found = [{block.label: block for block in compare_sources(result.comparisons)} for result in results]
    rows = [
        (
            metric,
            letter,
            *(
                (
                    with_unit(block.static.median if block.static else None, block.unit),
                    with_unit(block.eds.median if block.eds else None, block.unit),
                    UNKNOWN if block.ratio is None else f"{block.ratio:.3f}",
                    block.wording,
                )
                if (block := blocks.get(metric)) is not None
                else (UNKNOWN, UNKNOWN, UNKNOWN, "not measured")
            ),
        )
        for metric in dict.fromkeys(metric for blocks in found for metric in blocks)
        for letter, blocks in zip(letters(len(results)), found, strict=True)
    ]
    table = Table(
        columns=("metric", "result", "static", "EDS", "EDS/static", "what this shows"),
        rows=tuple(rows),
        numbers_from=6,
        caption="Medians over the blocks of each run.",
    )
    parts = (
        fold(table, "Static against EDS within each run, by metric")
        if rows
        else (Note("No block with both config sources was completed in these runs."),)
    )
    return Section(
        "static-eds",
        "Static against EDS",
        parts,
        "Measured in interleaved blocks within each run, so that each line holds by itself.",
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
