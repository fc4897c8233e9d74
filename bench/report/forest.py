"""Changes with their intervals, one below the other: what differs, what is equal, what is open."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.analysis.variants import BASELINE, JudgedMetric
from bench.report.charts import WIDTH
from bench.report.svg import BAD, BAND, INK, MUTED, PAPER, SERIES, styled, to_svg

_COLOURS = {"differs": BAD, "equivalent": SERIES[0], "not resolved": MUTED}


def forest_plot(judged: Sequence[JudgedMetric], margin: float) -> str | None:
    """Each metric's change against the baseline with its 95 % interval; the band is what counts as equal.

    None where no metric has an interval.
    """
    shown = [each for each in judged if each.judgement.low is not None and each.judgement.shift is not None]
    if not shown:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 0.42 * len(shown) + 1.2), layout="constrained")
        axes: Axes = figure.add_subplot()
        axes.axvspan(-margin * 100, margin * 100, color=BAND, linewidth=0, zorder=0)
        axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
        for row, each in enumerate(shown):
            judgement = each.judgement
            low, shift, high = (
                (value or 0.0) * 100 for value in (judgement.low, judgement.shift, judgement.high)
            )
            colour = _COLOURS[judgement.kind]
            axes.plot([low, high], [row, row], color=colour, linewidth=2, zorder=2)
            axes.plot(shift, row, "o", color=colour, markerfacecolor=PAPER, markersize=7, zorder=3)
            if judgement.floor is not None:
                for edge in (-judgement.floor, judgement.floor):
                    axes.plot([edge * 100] * 2, [row - 0.28, row + 0.28], color=MUTED, linewidth=1)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_yticks(range(len(shown)))
        axes.set_yticklabels([f"{each.blocks.candidate}: {each.blocks.metric}" for each in shown], color=INK)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _at: f"{value:+.3g} %" if value else "0"))
        axes.set_xlabel(f"change against {BASELINE}")
        differing = [each for each in shown if each.judgement.kind == "differs"]
        return to_svg(
            figure,
            "forest",
            f"Changes with intervals: {len(differing)} of {len(shown)} metrics differ. {_message(shown)}.",
        )


def _message(shown: Sequence[JudgedMetric]) -> str:
    """Each change with its interval."""
    return "; ".join(
        f"{each.blocks.candidate}, {each.blocks.metric}: {(each.judgement.shift or 0) * 100:+.3g} %"
        f" ({(each.judgement.low or 0) * 100:+.3g} to {(each.judgement.high or 0) * 100:+.3g} %),"
        f" {each.judgement.kind}"
        for each in shown
    )
