"""Two charts: latency against arrival rate, and each window of a cost model against the model."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from bench.report.charts import WIDTH, time_axis
from bench.report.svg import BAD, INK, SERIES, named, styled, to_svg
from bench.result import CostModel, CurvePoint
from bench.units import format_micros


def latency_curve(points: Sequence[CurvePoint], bound: float | None) -> str | None:
    """p50 and p99 against the arrival rate, the bound as a line; None without a measured percentile."""
    known = [point for point in points if point.response_time_p50 is not None]
    if not known:
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
        axes: Axes = figure.add_subplot()
        handles = []
        for number, name in enumerate(("p50", "p99")):
            pairs = [(point.rate, getattr(point, f"response_time_{name}")) for point in known]
            shown = [(rate, value) for rate, value in pairs if value is not None]
            (line,) = axes.plot(
                [rate for rate, _ in shown],
                [value for _, value in shown],
                color=SERIES[number],
                marker="o",
                markersize=4,
            )
            named(line, name, format_micros)
            handles.append(Line2D([], [], color=SERIES[number], marker="o", markersize=4, label=name))
        if bound is not None:
            axes.axvline(bound, color=BAD, linewidth=0.9)
            handles.append(Line2D([], [], color=BAD, linewidth=0.9, label="lower bound"))
        axes.set_yscale("log")
        time_axis(axes)
        axes.set_xlim(left=0)
        axes.set_xlabel("requests/s, open loop")
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=2.2)
        return to_svg(figure, "latency-curve", curve_message(known, bound), x_text=lambda x: f"{x:,.0f}/s")


def curve_message(points: Sequence[CurvePoint], bound: float | None) -> str:
    """What the curve says."""
    said = [
        f"at {point.rate:,.0f}/s p50 {format_micros(point.response_time_p50)},"
        f" p99 {format_micros(point.response_time_p99)}"
        for point in points
    ]
    limit = "" if bound is None else f" Lower bound of the capacity: {bound:,.0f}/s."
    return f"Latency against arrival rate: {'; '.join(said)}.{limit}"


def residuals(models: Sequence[CostModel]) -> str | None:
    """Model minus measured, relative, over the CPU that was measured; None without a window."""
    if not any(model.residuals for model in models):
        return None
    with styled():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        axes: Axes = figure.add_subplot()
        for number, model in enumerate(models):
            axes.plot(
                [each.measured_cpus for each in model.residuals],
                [each.error for each in model.residuals],
                "o",
                color=SERIES[number % len(SERIES)],
                markersize=5,
                label=model.part,
            )
        axes.axhline(0, color=INK, linewidth=0.9, zorder=1)
        axes.set_xlim(left=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:+.0%}"))
        axes.set_xlabel("CPUs measured")
        figure.legend(loc="outside upper left", ncols=3, handletextpad=0.2)
        worst = max(abs(each.error) for model in models for each in model.residuals)
        windows = sum(len(model.residuals) for model in models)
        said = f"Cost model: none of {windows} windows is further than {worst:.1%} from the model."
        return to_svg(figure, "residuals", said)
