"""The three charts: time by percentile, response time over time, static against EDS by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from bench.analysis.compare import BlockComparison, source_word
from bench.analysis.histogram import Histogram
from bench.analysis.latency import ENOUGH_BEYOND
from bench.report.svg import BAD, BAND, INK, MUTED, PAPER, SERIES, styled, to_svg
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


def percentile_plot(curves: Sequence[Curve]) -> str | None:
    """Time by percentile, on an axis that gives each further nine the same room. None without samples."""
    filled = [curve for curve in curves if curve.histogram.total > ENOUGH_BEYOND]
    if not filled:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        axes: Axes = figure.add_subplot()
        deepest = 1.0
        for curve in filled:
            nines, times = _nines(curve.histogram)
            deepest = max(deepest, float(nines[-1]))
            colour = SERIES[curve.colour % len(SERIES)]
            axes.plot(
                nines,
                times,
                color=colour,
                linestyle=(0, (4, 3)) if curve.dashed else "solid",
                drawstyle="steps-pre",
                label=curve.label,
            )
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
        figure.legend(loc="outside upper left", ncols=6, handlelength=2.2)
        return to_svg(figure, "percentiles", "Time by percentile")


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


def over_time(seconds: pd.DataFrame) -> str | None:
    """Median and slowest response of each second of the steady trials, one after the other.

    Args:
        seconds: rows of ``samples/timeseries.csv``: steady trials, measured stages, in order, with a
            column ``config_source``. None is returned if no second has an answer.
    """
    if seconds.empty or seconds["response_time_p50"].notna().sum() == 0:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
        axes: Axes = figure.add_subplot()
        start = 0
        labels: list[tuple[float, str]] = []
        for number, (_, rows) in enumerate(seconds.groupby("trial", sort=False)):
            at = start + rows["second"].to_numpy() - rows["second"].min()
            # Lines break between trials: nothing was measured there. A single second makes no line.
            dot = "o" if len(rows) == 1 else ""
            axes.plot(
                at + 0.5, rows["response_time_max"], color=SERIES[1], linewidth=1.2, marker=dot, markersize=4
            )
            axes.plot(at + 0.5, rows["response_time_p50"], color=SERIES[0], marker=dot, markersize=4)
            bad = rows["bad"].to_numpy() > 0
            if bad.any():
                axes.plot(
                    at[bad] + 0.5,
                    np.full(bad.sum(), 0.03),
                    "v",
                    color=BAD,
                    markersize=5,
                    transform=axes.get_xaxis_transform(),
                )
            end = int(at.max()) + 1
            if number % 2 == 0:
                axes.axvspan(start, end, color=BAND, linewidth=0, zorder=0)
            labels.append(((start + end) / 2, str(rows["config_source"].iloc[0])))
            start = end
        axes.set_xlim(0, start)
        axes.set_yscale("log")
        time_axis(axes)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.16)
        for at_label, text in labels:
            axes.text(
                at_label,
                0.985,
                text,
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="top",
                color=MUTED,
                fontsize=10.5 if len(labels) <= 12 else 7,
            )
        axes.grid(visible=False, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("seconds of measured load")
        handles = [
            Line2D([], [], color=SERIES[0], label="median of the second"),
            Line2D([], [], color=SERIES[1], linewidth=1.2, label="slowest of the second"),
        ]
        if (seconds["bad"] > 0).any():
            handles.append(
                Line2D([], [], color=BAD, marker="v", linestyle="none", label="failed or misrouted")
            )
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.6)
        return to_svg(figure, "over-time", "Response time over time")


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
        return to_svg(figure, "blocks", "Static against EDS by block")


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
