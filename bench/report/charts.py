"""Time by percentile, and static against EDS by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from bench.analysis.compare import BlockComparison, source_word
from bench.analysis.histogram import Histogram
from bench.analysis.latency import ENOUGH_BEYOND, summarise
from bench.report.svg import BAD, INK, MUTED, PAPER, SERIES, named, styled, to_svg
from bench.report.text import with_unit
from bench.result import Latency
from bench.units import format_micros

WIDTH = 11.5
"""Inches; the page scales the picture to its own width."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One distribution in the percentile plot."""

    label: str
    histogram: Histogram
    colour: int
    """Index into the page's series colours."""
    dashed: bool = False


def percentile_plot(
    curves: Sequence[Curve], baseline: Latency | None = None, limits: Mapping[str, float] | None = None
) -> str | None:
    """Time by percentile, on an axis that gives each further nine the same room. None without samples.

    Args:
        curves: the distributions.
        baseline: response time of the same load on a target that answers at once.
        limits: percentile (``p99``) -> the scenario's bound of its response time, microseconds.
    """
    limits = limits or {}
    filled = [curve for curve in curves if curve.histogram.total > ENOUGH_BEYOND]
    if not filled:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        axes: Axes = figure.add_subplot()
        deepest = 1.0
        handles: list[Line2D] = []
        for curve in filled:
            nines, times = _nines(curve.histogram)
            deepest = max(deepest, float(nines[-1]))
            colour = SERIES[curve.colour % len(SERIES)]
            (line,) = axes.plot(
                nines,
                times,
                color=colour,
                linestyle=(0, (4, 3)) if curve.dashed else "solid",
                drawstyle="steps-pre",
            )
            named(line, curve.label, format_micros)
            handles.append(Line2D([], [], color=colour, linestyle=line.get_linestyle(), label=curve.label))
            axes.plot(nines[-1], times[-1], "o", color=colour, markersize=4)
        axes.set_yscale("log")
        time_axis(axes)
        known = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999]
        ticks = [-np.log10(1 - q) for q in known]
        axes.set_xlim(0, deepest + 0.12)
        axes.set_xticks([tick for tick in ticks if tick <= deepest + 0.05])
        axes.set_xticklabels(
            [f"p{q * 100:.6g}" for q, tick in zip(known, ticks, strict=True) if tick <= deepest + 0.05]
        )
        axes.grid(visible=True, which="major")
        handles += _draw_references(axes, baseline, limits, deepest)
        columns = 6 if len(handles) <= 6 else 4
        figure.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=2.2)
        return to_svg(
            figure, "percentiles", percentile_message(filled, baseline, limits), x_text=_percentile_text
        )


_KNOWN = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
_NAMES = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9"}


def _draw_references(
    axes: Axes, baseline: Latency | None, limits: Mapping[str, float], deepest: float
) -> list[Line2D]:
    """The generator on a target that answers at once, and the scenario's limits; returns their legend."""
    handles = []
    known = [
        (-np.log10(1 - share), value)
        for name, share in _KNOWN
        if baseline is not None and (value := getattr(baseline, name)) is not None
    ]
    if known:
        at, values = zip(*known, strict=True)
        (line,) = axes.plot(at, np.maximum(values, 1), color=MUTED, linewidth=1.2, marker=".", markersize=6)
        named(line, "generator alone", format_micros)
        handles.append(Line2D([], [], color=MUTED, linewidth=1.2, marker=".", label="generator alone"))
    for name, share in _KNOWN:
        at_share = -np.log10(1 - share)
        if name in limits and at_share <= deepest + 0.12:
            axes.plot(at_share, limits[name], "v", color=BAD, markersize=8)
            axes.plot([at_share] * 2, [limits[name], limits[name] * 1.6], color=BAD, linewidth=1.2)
    if limits:
        handles.append(Line2D([], [], color=BAD, marker="v", linestyle="none", label="limit"))
    return handles


def percentile_message(
    curves: Sequence[Curve], baseline: Latency | None = None, limits: Mapping[str, float] | None = None
) -> str:
    """What the percentile plot says, in figures."""
    said = []
    for curve in curves:
        found = summarise(curve.histogram)
        figures = [
            f"{_NAMES[name]} {format_micros(value)}"
            for name in ("p50", "p99")
            if (value := getattr(found, name)) is not None
        ]
        said.append(f"{curve.label} {', '.join(figures) or 'too few samples'}")
    if baseline is not None and baseline.p99 is not None:
        said.append(f"generator alone p99 {format_micros(baseline.p99)}")
    said += [f"limit {_NAMES[name]} {format_micros(bound)}" for name, bound in (limits or {}).items()]
    return f"Time by percentile: {'; '.join(said)}."


def _percentile_text(nines: float) -> str:
    return f"p{(1 - 10**-nines) * 100:.6g}"


def _nines(histogram: Histogram) -> tuple[np.ndarray, np.ndarray]:
    buckets = histogram.recorded
    below = np.cumsum(buckets.counts)
    samples = int(below[-1])
    # The lowest percent is a near-vertical line that would take half of the height.
    kept = (below <= samples - ENOUGH_BEYOND) & (below >= samples / 100)
    if not kept.any():
        kept[0] = True
    nines = -np.log10(1 - np.minimum(below[kept], samples - 1) / samples)
    # 0 µs cannot be on a logarithmic axis.
    return nines, np.maximum(buckets.highest[kept], 1)


def time_axis(axes: Axes) -> None:
    """Ticks at 1, 2, 5 of each decade, written as times."""
    low, high = axes.get_ylim()
    low, high = max(low, 0.8), max(high, 2.0)
    axes.set_ylim(low, high)
    steps = (1, 2, 5) if high / low < 2_000 else (1,)
    ticks = [step * 10.0**power for power in range(-1, 11) for step in steps]
    inside = [tick for tick in ticks if low <= tick <= high]
    axes.yaxis.set_major_locator(FixedLocator(inside))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: format_micros(round(value))))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(FixedLocator([]))


def block_dots(blocks: Sequence[BlockComparison]) -> str | None:
    """Each trial as its distance in percent from the median of static, metric by metric."""
    shown = [
        block
        for block in blocks
        if block.static is not None and block.eds is not None and block.static.median > 0
    ]
    if not shown:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 0.58 * len(shown) + 1.1), layout="constrained")
        axes: Axes = figure.add_subplot()
        for row, block in enumerate(shown):
            _block_row(axes, row, block)
        axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_yticks(range(len(shown)))
        axes.set_yticklabels([block.label for block in shown], color=INK)
        axes.grid(visible=False, axis="y")
        reach = max(abs(bound) for bound in axes.get_xlim())
        axes.set_xlim(-reach, reach)
        axes.xaxis.set_major_formatter(FuncFormatter(_percent))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, symmetric=True))
        baseline, candidate = _sides(shown)
        axes.set_xlabel(f"distance from the median of {baseline}")
        handles = [
            Line2D([], [], color=SERIES[0], marker="o", linestyle="none", label=baseline),
            Line2D(
                [], [], color=SERIES[1], marker="o", markerfacecolor=PAPER, linestyle="none", label=candidate
            ),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=2, handletextpad=0.2)
        return to_svg(figure, "blocks", f"{candidate} against {baseline} by block: {_block_message(shown)}.")


def _block_message(blocks: Sequence[BlockComparison]) -> str:
    return "; ".join(
        f"{block.label} {with_unit(block.static.median, block.unit)} and"
        f" {with_unit(block.eds.median, block.unit)}, {block.wording}"
        for block in blocks
        if block.static is not None and block.eds is not None
    )


def _sides(blocks: Sequence[BlockComparison]) -> tuple[str, str]:
    pairs = {(source_word(block.baseline), source_word(block.candidate)) for block in blocks}
    return pairs.pop() if len(pairs) == 1 else ("baseline", "candidate")


def _percent(value: float, _position: int) -> str:
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return f"{sign}{abs(value):.3g} %"


def _block_row(axes: Axes, row: int, block: BlockComparison) -> None:
    if block.static is None or block.eds is None:
        return
    base = block.static.median
    for offset, values, spread, colour, face in (
        (-0.15, block.static_values, block.static, SERIES[0], SERIES[0]),
        (0.15, block.eds_values, block.eds, SERIES[1], PAPER),
    ):
        at = [(value / base - 1) * 100 for value in values]
        low, high = (spread.lowest / base - 1) * 100, (spread.highest / base - 1) * 100
        middle = (spread.median / base - 1) * 100
        axes.plot([low, high], [row + offset] * 2, color=colour, linewidth=1.2, zorder=2)
        axes.plot([middle] * 2, [row + offset - 0.13, row + offset + 0.13], color=colour, linewidth=2.4)
        axes.plot(
            at,
            [row + offset] * len(at),
            "o",
            color=colour,
            markerfacecolor=face,
            markersize=6.5,
            zorder=3,
        )
