"""Charts of the lab: cells as bars with intervals over their oracle, and the law beside its points."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from bench.report.charts import WIDTH
from bench.report.svg import BAD, INK, SERIES, styled, to_svg
from bench.result import End, PoolPoint, TlsCell
from bench.units import format_micros

_BAR = 0.36


def cell_bars(cells: Sequence[TlsCell]) -> str | None:
    """CPU of one handshake at both ends, with intervals and the oracle's mark. None without any."""
    shown = [cell for cell in cells if cell.gateway_cpu_us is not None and cell.node_cpu_us is not None]
    if not shown:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 0.52 * len(shown) + 1.3), layout="constrained")
        axes: Axes = figure.add_subplot()
        ends: tuple[End, End] = ("gateway", "node")
        for row, cell in enumerate(shown):
            for place, end in enumerate(ends):
                _bar(axes, row + (place - 0.5) * _BAR, cell, end, SERIES[place])
        axes.set_xscale("log")
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_yticks(range(len(shown)))
        axes.set_yticklabels([_label(cell) for cell in shown], color=INK)
        axes.grid(visible=False, axis="y")
        _decades(axes, shown)
        axes.set_xlabel("CPU of one new connection")
        handles = [
            Patch(color=SERIES[0], label="gateway"),
            Patch(color=SERIES[1], label="nodes"),
            Line2D([], [], color=BAD, marker="|", linestyle="none", markersize=11, label="oracle"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.2)
        return to_svg(figure, "tls-cells", f"CPU of one new connection: {_cells_message(shown)}.")


def _cells_message(cells: Sequence[TlsCell]) -> str:
    return "; ".join(
        f"{_label(cell)}: gateway {format_micros(cell.gateway_cpu_us.value)},"
        f" nodes {format_micros(cell.node_cpu_us.value)}"
        for cell in cells
        if cell.gateway_cpu_us is not None and cell.node_cpu_us is not None
    )


def _decades(axes: Axes, cells: Sequence[TlsCell]) -> None:
    """Whole decades from below the smallest bar, with ticks at 1, 2 and 5, written as times."""
    values = [
        found.value
        for cell in cells
        for found in (cell.gateway_cpu_us, cell.node_cpu_us)
        if found is not None
    ]
    low = 10.0 ** math.floor(math.log10(max(1.0, min(values))))
    high = max(*values, low) * 1.6
    ticks = [step * 10.0**power for power in range(9) for step in (1, 2, 5)]
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: format_micros(round(value))))
    axes.xaxis.set_minor_locator(FixedLocator([]))


def _bar(axes: Axes, at: float, cell: TlsCell, end: End, colour: str) -> None:
    found = cell.gateway_cpu_us if end == "gateway" else cell.node_cpu_us
    if found is None:
        return
    # A logarithmic axis knows no zero: an interval that reaches it ends at a tenth of the value.
    low = max(found.low, found.value / 10, 1.0)
    axes.barh(at, max(found.value, 1.0), height=_BAR * 0.86, color=colour)
    axes.plot([low, max(found.high, low)], [at, at], color=INK, linewidth=1.3)
    floor = next((line.floor_us for line in cell.oracle if line.end == end), 0.0)
    if floor > 0:
        axes.plot([floor, floor], [at - _BAR * 0.43, at + _BAR * 0.43], color=BAD, linewidth=2.2)


def _label(cell: TlsCell) -> str:
    shown = "" if cell.client_certificate else ", no client cert."
    return f"{cell.key} {cell.tls_version.removeprefix('TLSv')} {cell.kind}{shown}"


def law_line(points: Sequence[PoolPoint]) -> str | None:
    """Handshakes per second as measured, over those that the law predicts. None without any."""
    if not points:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        axes: Axes = figure.add_subplot()
        most = max(max(point.predicted_per_s, point.handshakes_per_s) for point in points) or 1.0
        axes.plot([0, most * 1.05], [0, most * 1.05], color=SERIES[1], label="the law")
        for is_http2, face in ((False, SERIES[0]), (True, "none")):
            some = [point for point in points if point.http2 is is_http2]
            if some:
                axes.plot(
                    [point.predicted_per_s for point in some],
                    [point.handshakes_per_s for point in some],
                    "o",
                    color=SERIES[0],
                    markerfacecolor=face,
                    markersize=7,
                    label="measured, HTTP/2" if is_http2 else "measured, HTTP/1.1",
                )
        axes.set_xlabel("handshakes/s, predicted")
        axes.set_ylabel("measured")
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.6)
        said = "; ".join(
            f"{point.handshakes_per_s:,.3g}/s measured, {point.predicted_per_s:,.3g}/s predicted"
            for point in points
        )
        return to_svg(figure, "tls-law", f"The law of handshakes: {said}.")
