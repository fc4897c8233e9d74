"""The TLS handshake lab: cells over their oracle, and the three clocks."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.tls import lab_findings
from bench.report.document import Chart, Facts, Figure, Mark, Note, Part, Section, Table
from bench.report.text import UNKNOWN, micros
from bench.report.tls_charts import cell_bars
from bench.result import End, Estimate, TlsCell, TlsLab
from bench.units import format_count, format_micros

_LEAD = (
    "What one handshake of the gateway with a node takes, by key, TLS version, kind and client certificate."
    " Times are those of Envoy's own clock. CPU is a regression of process CPU time on requests, full and"
    " resumed handshakes, over windows that take turns within one load, with intervals of 95 %. The oracle"
    " is `openssl speed` of the same key in the same minutes: no cell may cost less than its signatures."
)
_CLOCKS_LEAD = (
    "One quantity, the CPU-bound time of a new connection with both ends in turn, by three clocks that know"
    " nothing of each other: Envoy's log, a direct client against the same node, and the regression of CPU."
    " They agree where all their intervals overlap."
)


MOST_NOTES = 3
"""Findings that stand above the chart."""


def lab_figures(lab: TlsLab) -> tuple[Figure, ...]:
    """The numbers to read first."""
    dearest = max(
        (cell for cell in lab.cells if cell.gateway_cpu_us is not None),
        key=lambda cell: cell.gateway_cpu_us.value if cell.gateway_cpu_us is not None else 0.0,
        default=None,
    )
    below = sum(line.below for cell in lab.cells for line in cell.oracle)
    clocks = [cell for cell in lab.cells if cell.clocks_agree is not None]
    agree = sum(bool(cell.clocks_agree) for cell in clocks)
    near = [abs(point.error) for point in lab.pools if point.error is not None]
    return (
        Figure(
            "most expensive handshake",
            UNKNOWN
            if dearest is None or dearest.gateway_cpu_us is None
            else format_micros(dearest.gateway_cpu_us.value),
            "CPU at the gateway" if dearest is None else f"gateway CPU, {dearest.name}",
        ),
        Figure("below the oracle", str(below) if lab.cells else UNKNOWN, "cells", "bad" if below else "good"),
        Figure(
            "clocks agree",
            f"{agree} of {len(clocks)}" if clocks else UNKNOWN,
            "cells",
            "good" if clocks and agree == len(clocks) else "plain",
        ),
        Figure(
            "the law is off by",
            f"{max(near):.1%}" if near else UNKNOWN,
            f"at most, over {len(near)} mixes",
        ),
    )


def matrix(lab: TlsLab) -> Section:
    """The cells, and what is to be said against them."""
    parts: list[Part] = _findings(lab)
    if not lab.cells:
        return Section("tls-matrix", "Handshakes", (*parts, Note("The matrix was not measured.")), _LEAD)
    chart = cell_bars(lab.cells)
    if chart is not None:
        parts.append(
            Chart(
                "tls-cells",
                "CPU of one new connection; the line is the interval, the mark the oracle.",
                chart,
            )
        )
    parts += [_times(lab.cells), _costs(lab.cells), _agreed(lab.cells), _libraries(lab)]
    return Section("tls-matrix", "Handshakes", tuple(parts), _LEAD)


def _findings(lab: TlsLab) -> list[Part]:
    """The first ones in sight; where there are many, all of them behind one line."""
    found = lab_findings(lab)
    notes: list[Part] = [Note(f"{each.message} {each.advice}", "bad") for each in found[:MOST_NOTES]]
    if len(found) <= MOST_NOTES:
        return notes
    rows = tuple((each.message, each.advice) for each in found)
    summary = f"All {len(found)} findings against these figures"
    return [*notes, Table(("finding", "what to do"), rows, numbers_from=2, folded=summary)]


def clocks(lab: TlsLab) -> Section:
    """The three clocks of each cell."""
    rows = [
        (
            *_cell(cell),
            *(
                next((_range(each.low, each.high) for each in cell.clocks if each.clock == name), UNKNOWN)
                for name in ("envoy", "direct", "cpu")
            ),
            UNKNOWN if cell.clocks_agree is None else "✓" if cell.clocks_agree else "✗",
        )
        for cell in lab.cells
    ]
    table = Table(
        columns=(*_CELL_COLUMNS, "Envoy", "direct client", "CPU", "agree"),
        rows=tuple(rows),
        numbers_from=4,
        caption="Intervals in microseconds.",
        marks=tuple(_mark(cell.clocks_agree) for cell in lab.cells),
        mark_column=7,
    )
    return Section("tls-clocks", "Three clocks", (table,), _CLOCKS_LEAD)


_CELL_COLUMNS = ("key", "TLS", "handshake", "client cert.")


def _cell(cell: TlsCell) -> tuple[str, ...]:
    version = cell.tls_version.removeprefix("TLSv")
    return (cell.key, version, cell.kind, "yes" if cell.client_certificate else "no")


def _mark(agree: bool | None) -> Mark:
    return "plain" if agree is None else "good" if agree else "bad"


def _range(low: float, high: float) -> str:
    return f"{low:,.0f} … {high:,.0f}"


def estimate(found: Estimate | None) -> str:
    """A figure with its half-width."""
    if found is None:
        return UNKNOWN
    return f"{micros(round(found.value))} ± {micros(round((found.high - found.low) / 2))}"


def _times(cells: Sequence[TlsCell]) -> Table:
    return Table(
        columns=(
            *_CELL_COLUMNS,
            "connections",
            "after TCP connect",
            "from the first byte",
            "sent",
            "received",
        ),
        rows=tuple(
            (
                *_cell(cell),
                format_count(cell.connections),
                estimate(cell.handshake_us),
                estimate(cell.connection_us),
                micros(cell.bytes_sent),
                micros(cell.bytes_received),
            )
            for cell in cells
        ),
        numbers_from=4,
        caption="Medians on Envoy's clock until the handshake is done, microseconds; bytes of TLS records"
        " that the"
        " gateway sends and receives for one new connection beside its request and answer.",
    )


def _costs(cells: Sequence[TlsCell]) -> Table:
    return Table(
        columns=(
            *_CELL_COLUMNS,
            *("gateway CPU", "oracle", "with chain", "node CPU", "oracle", "with chain", "pace"),
        ),
        rows=tuple(
            (
                *_cell(cell),
                estimate(cell.gateway_cpu_us),
                *_oracle(cell, "gateway"),
                estimate(cell.node_cpu_us),
                *_oracle(cell, "node"),
                micros(cell.pace_us),
            )
            for cell in cells
        ),
        numbers_from=4,
        marks=tuple("bad" if any(line.below for line in cell.oracle) else "plain" for cell in cells),
        mark_column=0,
        caption="Microseconds of CPU for one new connection; beside it the signature alone, and signature and"
        " chain together, by openssl speed. Resumed handshakes have neither. The pace is what the sidecars,"
        " whose work never changes, used for a request meanwhile: intervals are those at this pace, and cells"
        " whose paces differ were measured while the machine was faster or slower, or at another rate:"
        " requests that come rarely cost more.",
    )


def _oracle(cell: TlsCell, end: End) -> tuple[str, str]:
    line = next((each for each in cell.oracle if each.end == end), None)
    return (UNKNOWN, UNKNOWN) if line is None else (micros(line.floor_us), micros(line.whole_us))


def _agreed(cells: Sequence[TlsCell]) -> Table:
    return Table(
        columns=(*_CELL_COLUMNS, "node's signature", "key exchange", "cipher"),
        rows=tuple(
            (*_cell(cell), cell.signature or UNKNOWN, cell.curve or UNKNOWN, cell.cipher or UNKNOWN)
            for cell in cells
        ),
        numbers_from=7,
        caption="What both ends agreed on, as Envoy counts it.",
    )


def _libraries(lab: TlsLab) -> Facts:
    speeds = tuple(
        (
            f"openssl speed, {each.key}",
            f"signs in {micros(each.sign_us)} µs, verifies in {micros(each.verify_us)} µs ({each.runs} runs)",
        )
        for each in {speed.key: speed for speed in lab.speeds}.values()
    )
    return Facts((*lab.libraries.items(), *speeds), "Who uses which library; they differ in speed.")
