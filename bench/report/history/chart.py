"""One figure over time: a point for each run, a line for each level."""

from __future__ import annotations

from datetime import datetime

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.analysis.history import Group, Series
from bench.report.charts import WIDTH
from bench.report.svg import BAD, MUTED, SERIES, styled, to_svg
from bench.report.text import with_unit


def series_plot(group: Group, series: Series, *, name: str) -> str | None:
    """Draw a series; None with fewer than two runs."""
    if len(series.values) < 2:
        return None
    times = [_day(group.results[run].started_at) for run in series.runs]
    with styled():
        figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
        axes: Axes = figure.add_subplot()
        axes.plot(times, series.values, "o", color=SERIES[0], markersize=5)
        edges = [0, *(change.at for change in series.changes), len(series.values)]
        levels = [change.before for change in series.changes[:1]]
        levels += [change.after for change in series.changes]
        for level, first, end in zip(levels, edges, edges[1:], strict=False):
            axes.plot([times[first], times[end - 1]], [level, level], color=SERIES[1], linewidth=2)
        for change in series.changes:
            axes.axvline((times[change.at - 1] + times[change.at]) / 2, color=BAD, linewidth=1, linestyle=":")
        for run, time in zip(series.runs, times, strict=True):
            if group.changed[run]:
                axes.axvline(time, color=MUTED, linewidth=0.6, zorder=0)
        axes.set_ylim(0, max(series.values) * 1.12 or 1)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: with_unit(value, series.unit)))
        locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.grid(visible=False, axis="x")
        steps = len(series.changes)
        return to_svg(figure, name, f"{series.name} of {len(times)} runs over time; {steps} changes of level")


def _day(text: str) -> float:
    """Days since the epoch: what matplotlib counts dates in."""
    return datetime.fromisoformat(text).timestamp() / 86_400
