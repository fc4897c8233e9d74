"""Charts over time: latency and rate with what happened marked, CPU and memory of each part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.report.charts import WIDTH, time_axis
from bench.report.svg import BAD, BAND, INK, MUTED, SERIES, named, styled, to_svg
from bench.report.text import some
from bench.result import EventKind, RunEvent
from bench.units import format_bytes, format_micros

MOST_LABELS = 24
"""More marks stand without their words: they would cover each other."""
_MARKS: dict[EventKind, tuple[str, str]] = {
    "config-update": (SERIES[2], "configuration changed"),
    "certificate-rotation": (SERIES[3], "certificate rotated"),
    "fault": (BAD, "fault injected"),
    "healed": (MUTED, "healed"),
    "abort": (BAD, "load ended early"),
}


@dataclass(frozen=True, slots=True)
class _Span:
    """One load, at its place on the common axis of all."""

    trial: str
    label: str
    start: float
    length: float
    rows: pd.DataFrame


def over_time(
    seconds: pd.DataFrame, events: Sequence[RunEvent] = (), *, name: str = "over-time"
) -> str | None:
    """Response time and requests of each second, one load after the other, with marks for *events*.

    Args:
        seconds: rows of ``samples/timeseries.csv`` in order, with a column ``label`` for each load. None is
            returned if no second has an answer.
        events: by the same loads.
        name: unique on the page.
    """
    if seconds.empty or seconds["response_time_p50"].notna().sum() == 0:
        return None
    spans = list(_spans(seconds))
    marks = _placed(events, spans)
    with styled():
        figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
        axes: Axes
        rates: Axes
        axes, rates = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
        for number, span in enumerate(spans):
            _draw_span(axes, rates, span)
            if number % 2 == 0:
                for each in (axes, rates):
                    each.axvspan(span.start, span.start + span.length, color=BAND, linewidth=0, zorder=0)
        axes.set_xlim(0, spans[-1].start + spans[-1].length)
        axes.set_yscale("log")
        time_axis(axes)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** (0.5 if 0 < len(marks) <= MOST_LABELS else 0.16))
        _name_spans(axes, spans, has_marks=bool(marks))
        for x, event in marks:
            colour = _MARKS[event.kind][0]
            for each in (axes, rates):
                each.axvline(x, color=colour, linewidth=1.1, linestyle=(0, (2, 2)))
            if len(marks) <= MOST_LABELS and event.kind != "healed":
                axes.text(
                    x,
                    0.98,
                    f" {event.label}",
                    transform=axes.get_xaxis_transform(),
                    rotation=90,
                    ha="right",
                    va="top",
                    color=INK,
                    fontsize=9,
                )
        rates.set_ylim(bottom=0)
        rates.set_ylabel("answered")
        rates.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        for each in (axes, rates):
            each.grid(visible=False, axis="x")
        rates.xaxis.set_major_locator(MaxNLocator(integer=True))
        rates.set_xlabel("seconds of measured load")
        figure.legend(handles=_handles(seconds, marks), loc="outside upper left", ncols=6, handlelength=1.6)
        return to_svg(figure, name, time_message(seconds, events), x_text=lambda x: f"second {x:.0f}")


def time_message(seconds: pd.DataFrame, events: Sequence[RunEvent]) -> str:
    """What the chart says."""
    medians = seconds["response_time_p50"].dropna()
    slowest = seconds["response_time_max"].dropna()
    bad = int(seconds["bad"].sum())
    said = (
        f"Medians of the {len(seconds):,} seconds lie between {format_micros(float(medians.min()))} and"
        f" {format_micros(float(medians.max()))}, the slowest request took"
        f" {format_micros(float(slowest.max()))}; {bad:,} failed or misrouted."
    )
    labels = [event.label for event in events if event.kind != "healed"]
    return f"{said} Marked: {some(labels)}." if labels else said


def _spans(seconds: pd.DataFrame) -> Iterator[_Span]:
    start = 0.0
    for trial, rows in seconds.groupby("trial", sort=False):
        length = float(rows["second"].max() - rows["second"].min() + 1)
        yield _Span(str(trial), str(rows["label"].iloc[0]), start, length, rows)
        start += length


def _placed(events: Sequence[RunEvent], spans: Sequence[_Span]) -> list[tuple[float, RunEvent]]:
    by_trial = {span.trial: span for span in spans}
    found = []
    for event in events:
        span = by_trial.get(event.trial)
        if span is not None:
            found.append((span.start + min(max(event.at_s, 0.0), span.length), event))
    return found


def _draw_span(axes: Axes, rates: Axes, span: _Span) -> None:
    rows = span.rows
    at = span.start + rows["second"].to_numpy(dtype=float) - float(rows["second"].min()) + 0.5
    # Lines break between loads: nothing was measured there. A single second makes no line.
    dot = "o" if len(rows) == 1 else ""
    for column, label, colour, width in (
        ("response_time_max", "slowest of the second", SERIES[1], 1.2),
        ("response_time_p50", "median of the second", SERIES[0], 1.8),
    ):
        (line,) = axes.plot(at, rows[column], color=colour, linewidth=width, marker=dot, markersize=4)
        named(line, label, format_micros)
    (line,) = rates.plot(at, rows["answered"], color=SERIES[0], linewidth=1.4, marker=dot, markersize=4)
    named(line, "answered", lambda value: f"{value:,.0f}")
    bad = rows["bad"].to_numpy() > 0
    if bad.any():
        place = axes.get_xaxis_transform()
        axes.plot(at[bad], np.full(bad.sum(), 0.03), "v", color=BAD, markersize=5, transform=place)
        rates.plot(at[bad], rows["bad"].to_numpy()[bad], "v", color=BAD, markersize=4)


def _name_spans(axes: Axes, spans: Sequence[_Span], *, has_marks: bool) -> None:
    if has_marks and len(spans) > 8:
        # Each mark says what its load was.
        return
    for span in spans:
        axes.text(
            span.start + span.length / 2,
            0.01 if has_marks else 0.985,
            span.label,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom" if has_marks else "top",
            color=MUTED,
            fontsize=10.5 if len(spans) <= 12 else 7,
        )


def _handles(seconds: pd.DataFrame, marks: Sequence[tuple[float, RunEvent]]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=SERIES[0], label="median of the second; answered"),
        Line2D([], [], color=SERIES[1], linewidth=1.2, label="slowest of the second"),
    ]
    if (seconds["bad"] > 0).any():
        handles.append(Line2D([], [], color=BAD, marker="v", linestyle="none", label="failed or misrouted"))
    for kind in dict.fromkeys(event.kind for _, event in marks):
        colour, label = _MARKS[kind]
        handles.append(Line2D([], [], color=colour, linestyle=(0, (2, 2)), linewidth=1.1, label=label))
    return handles


def parts_over_time(rows: pd.DataFrame) -> str | None:
    """CPU and memory of each part, one trial after the other; None where nothing was stored.

    Args:
        rows: of ``samples/parts.csv``: steady trials, measured stages, in order.
    """
    if rows.empty:
        return None
    parts = list(dict.fromkeys(rows["part"]))
    with styled():
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        cpus: Axes
        memory: Axes
        cpus, memory = figure.subplots(2, 1, sharex=True)
        start = 0.0
        for number, (_, trial) in enumerate(rows.groupby("trial", sort=False)):
            length = float(trial["at_s"].max()) + 0.5
            for place, part in enumerate(parts):
                mine = trial[trial["part"] == part]
                dot = "o" if len(mine) == 1 else ""
                colour = SERIES[place % len(SERIES)]
                at = start + mine["at_s"].to_numpy(dtype=float)
                (line,) = cpus.plot(at, mine["cpus"], color=colour, linewidth=1.4, marker=dot, markersize=3)
                named(line, f"{part}, CPU", lambda value: f"{value:.2f} CPUs")
                (line,) = memory.plot(
                    at, mine["memory_bytes"], color=colour, linewidth=1.4, marker=dot, markersize=3
                )
                named(line, f"{part}, memory", format_bytes)
            if number % 2 == 0:
                for each in (cpus, memory):
                    each.axvspan(start, start + length, color=BAND, linewidth=0, zorder=0)
            start += length
        cpus.set_xlim(0, start)
        cpus.set_ylim(bottom=0)
        cpus.set_ylabel("CPUs")
        memory.set_ylim(bottom=0)
        memory.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: format_bytes(value)))
        memory.set_xlabel("seconds of measured load")
        for each in (cpus, memory):
            each.grid(visible=False, axis="x")
        handles = [
            Line2D([], [], color=SERIES[place % len(SERIES)], label=part) for place, part in enumerate(parts)
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=8, handlelength=1.6)
        return to_svg(figure, "parts-over-time", parts_message(rows), x_text=lambda x: f"second {x:.1f}")


def parts_message(rows: pd.DataFrame) -> str:
    """What the chart says."""
    said = []
    for part, mine in rows.groupby("part", sort=False):
        cpus = mine["cpus"].dropna()
        used = f"at most {cpus.max():.2f} CPUs, " if len(cpus) else ""
        said.append(f"{part} {used}{format_bytes(float(mine['memory_bytes'].max()))}")
    return f"Each part at its highest: {'; '.join(said)}."
