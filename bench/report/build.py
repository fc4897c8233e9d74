"""From a result folder to ``report.html`` and ``report.md``; reads ``result.json`` and ``samples/`` only."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pandas as pd

from bench.analysis.compare import compare_sources
from bench.analysis.histogram import Histogram
from bench.analysis.latency import merge
from bench.analysis.variants import judge_variants
from bench.analysis.verdict import judge
from bench.errors import InputError
from bench.report.answers import answers, figures
from bench.report.charts import Curve, block_dots, percentile_plot
from bench.report.document import Document
from bench.report.files import replace_file
from bench.report.forest import forest_plot
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.report.samples import Clock, read_blobs
from bench.report.sections import (
    capacity,
    context,
    cost,
    faults,
    handshake,
    ledger,
    load,
    tls_connections,
    tls_lab,
    traffic,
    update,
    variants,
    verification,
    way,
    which_source,
)
from bench.report.text import UNKNOWN, rate, seconds, version_number
from bench.report.timeline import over_time, parts_over_time
from bench.report.way import way_figures
from bench.result import (
    CapacityResult,
    Latency,
    PartRow,
    Result,
    SecondRow,
    TlsLab,
    VariantsResult,
    read_result,
)

MANY_SUBSETS = 3
"""With more, the percentile plot shows the whole only."""


def write_report(folder: Path) -> Path:
    """Write ``report.html`` and ``report.md`` into a result folder; return the path of the HTML.

    Raises:
        InputError: the folder holds no readable result, or cannot be written.
        MeasurementError: its samples are damaged.
    """
    document = build_document(folder, read_result(folder))
    page = folder / "report.html"
    replace_file(folder / "report.md", render_markdown(document))
    replace_file(page, render_html(document))
    return page


def build_document(folder: Path, result: Result) -> Document:
    """Put a report together; charts come from the samples and are left out where there are none."""
    if result.faults is not None:
        return _of_faults(folder, result)
    if result.update is not None:
        return _of_update(folder, result)
    if result.capacity is not None and not result.trials:
        return _of_capacity(result, result.capacity)
    if result.variants is not None:
        return _of_variants(folder, result, result.variants)
    if result.tls_lab is not None and not result.trials:
        return _of_lab(result, result.tls_lab)
    blocks = compare_sources(result.comparisons)
    rows = _seconds(folder, result)
    figures_of_way = way_figures(result)
    return Document(
        title=result.scenario,
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=figures(result),
        answers=answers(result),
        drawing=way.drawing(figures_of_way),
        sections=(
            way.way(figures_of_way),
            verification.verification(result),
            load.load(result, rows),
            traffic.correctness(result),
            ledger.ledger(result),
            traffic.latency(
                result,
                percentile_plot(_curves(folder, result), _baseline(result), _limits(result)),
                over_time(rows, result.events),
            ),
            handshake.handshake(result),
            *((capacity.capacity(result),) if result.capacity is not None else ()),
            cost.config_source(result, block_dots(blocks)),
            cost.components(result, parts_over_time(_parts(folder, result))),
            context.generator(result),
            context.machine(result),
            context.limits(result),
            context.warnings(result),
            context.fingerprint(result),
            context.reading(),
        ),
    )


def _of_faults(folder: Path, result: Result) -> Document:
    """Such a run measures nothing else, so that there is nothing else to show."""
    figures_of_way = way_figures(result)
    return Document(
        title=f"{result.scenario}: does it notice?",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=faults.fault_figures(result),
        answers=(),
        drawing=way.drawing(figures_of_way),
        sections=(
            faults.faults(result, _timeline(folder, result, "faults")),
            *((way.way(figures_of_way),) if figures_of_way is not None else ()),
            context.warnings(result),
            context.fingerprint(result),
        ),
    )


def _of_variants(folder: Path, result: Result, found: VariantsResult) -> Document:
    """Variants are compared: their answers count, their limits do not."""
    judged = judge_variants(found)
    figures_of_way = way_figures(result)
    return Document(
        title=f"{result.scenario}: {' against '.join(each.name for each in reversed(found.variants))}",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=variants.figures_of(judged),
        answers=(),
        drawing=way.drawing(figures_of_way),
        sections=(
            variants.variants(result, found, judged, forest_plot(judged, found.margin)),
            way.way(figures_of_way),
            verification.verification(result),
            load.load(result, _seconds(folder, result)),
            traffic.correctness(result),
            ledger.ledger(result),
            cost.components(result, parts_over_time(_parts(folder, result))),
            context.generator(result),
            context.warnings(result),
            context.fingerprint(result),
            context.reading(),
        ),
    )


def _of_update(folder: Path, result: Result) -> Document:
    """Changes under load: neither blocks nor a latency of the scenario's rate."""
    figures_of_way = way_figures(result)
    return Document(
        title=f"{result.scenario}: what does a change do?",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=update.update_figures(result),
        answers=(),
        drawing=way.drawing(figures_of_way),
        sections=(
            update.update(result, _timeline(folder, result, "update")),
            which_source.page(result),
            *((way.way(figures_of_way),) if figures_of_way is not None else ()),
            context.warnings(result),
            context.fingerprint(result),
        ),
    )


def _of_capacity(result: Result, found: CapacityResult) -> Document:
    """A search has trials of its own, at many rates: no latency of the scenario's rate, no blocks."""
    figures_of_way = way_figures(result)
    return Document(
        title=f"{result.scenario}: how much does it carry?",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=capacity.capacity_figures(found),
        answers=(),
        drawing=way.drawing(figures_of_way),
        sections=(
            verification.verification(result),
            capacity.capacity(result),
            capacity.cost_model(found.cost_models, found.memory_models),
            *((way.way(figures_of_way),) if figures_of_way is not None else ()),
            context.warnings(result),
            context.fingerprint(result),
        ),
    )


def _of_lab(result: Result, lab: TlsLab) -> Document:
    """The lab has loads of its own: no latency of the scenario's rate, no blocks."""
    figures_of_way = way_figures(result)
    return Document(
        title=f"{result.scenario}: what does a TLS handshake cost?",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=tls_lab.lab_figures(lab),
        answers=(),
        drawing=way.drawing(figures_of_way),
        sections=(
            *((tls_lab.matrix(lab), tls_lab.clocks(lab)) if lab.cells else ()),
            *tls_connections.connections(lab),
            *((way.way(figures_of_way),) if figures_of_way is not None else ()),
            context.warnings(result),
            context.fingerprint(result),
        ),
    )


def _byline(result: Result) -> tuple[tuple[str, str], ...]:
    rates = sorted(
        {
            trial.arrival_rate
            for trial in result.trials
            if trial.experiment == "steady" and trial.arrival_rate is not None
        }
    )
    versions = result.fingerprint.versions
    return (
        ("started", result.started_at.replace("T", " ")[:19] + " UTC"),
        ("took", seconds(result.duration_s)),
        ("rate", " and ".join(rate(value) for value in rates) + " requests/s" if rates else UNKNOWN),
        ("stack", result.fingerprint.stack),
        ("Envoy", version_number(versions.get("envoy", UNKNOWN))),
        ("nginx", version_number(versions.get("nginx", UNKNOWN))),
    )


def _curves(folder: Path, result: Result) -> list[Curve]:
    subsets = [subset.name for subset in result.totals[:-1]]
    clocks: tuple[tuple[Clock, str, bool], ...] = (
        ("response_time", "response time", False),
        ("service_time", "service time", True),
    )
    curves = []
    if 0 < len(subsets) <= MANY_SUBSETS:
        for number, name in enumerate(subsets):
            for clock, label, dashed in clocks:
                histogram = _merged(folder, result, (name,), clock)
                curves.append(Curve(f"{name}, {label}", histogram, number, dashed))
    else:
        for clock, label, dashed in clocks:
            curves.append(Curve(label, all_samples(folder, result, clock), 0, dashed))
    return curves


def all_samples(folder: Path, result: Result, clock: Clock) -> Histogram:
    """The samples of all subsets and steady trials in one histogram; empty where none were stored."""
    subsets = tuple(subset.name for subset in result.totals[:-1])
    return _merged(folder, result, subsets or tuple(subset.name for subset in result.totals), clock)


def _merged(folder: Path, result: Result, subsets: tuple[str, ...], clock: Clock) -> Histogram:
    return merge(
        blob
        for trial in result.trials
        if trial.experiment == "steady"
        for name in subsets
        for blob in read_blobs(folder, trial, name, clock)
    )


def _baseline(result: Result) -> Latency | None:
    return result.generator.null_target_baseline if result.generator is not None else None


def _limits(result: Result) -> dict[str, float]:
    """Percentile -> bound of the response time, microseconds."""
    named = {f"response_time_{name}_ms": name for name in ("p50", "p90", "p99", "p999")}
    return {
        named[check.name]: check.bound * 1000
        for check in result.limits
        if check.name in named and check.bound is not None
    }


def _seconds(folder: Path, result: Result, experiment: str = "steady") -> pd.DataFrame:
    """The seconds of the measured stages of the steady trials, or of another experiment, as they ran."""
    rows = _table(folder / "samples" / "timeseries.csv")
    if rows.empty:
        return rows
    rows = rows[(rows["experiment"] == experiment) & (rows["kind"] == "measure")]
    if experiment != "steady":
        return rows.assign(label=rows["trial"])
    sources = {
        trial.name: trial.variant or trial.config_source
        for trial in result.trials
        if trial.experiment == "steady"
    }
    order = {name: number for number, name in enumerate(sources)}
    rows = rows[rows["trial"].isin(list(sources))]
    rows = rows.assign(label=rows["trial"].map(sources), order=rows["trial"].map(order))
    return rows.sort_values(["order", "second"], kind="stable")


def _timeline(folder: Path, result: Result, experiment: str) -> str | None:
    return over_time(_seconds(folder, result, experiment), result.events)


def _parts(folder: Path, result: Result) -> pd.DataFrame:
    """What each part used in the measured stages of the steady trials."""
    rows = _table(folder / "samples" / "parts.csv")
    if rows.empty:
        return rows
    ends = {trial.name: trial.duration_s for trial in result.trials if trial.experiment == "steady"}
    rows = rows[rows["trial"].isin(list(ends)) & (rows["at_s"] >= 0)]
    return rows[rows["at_s"] <= rows["trial"].map(ends) + 0.5]


def _table(path: Path) -> pd.DataFrame:
    """A file of samples; empty where there is none."""
    if not path.exists():
        return pd.DataFrame()
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    missing = sorted(_COLUMNS[path.name] - set(rows.columns))
    if missing:
        raise _unreadable(path, f"no column {', '.join(missing)}")
    return rows


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"the time series cannot be read ({why}).",
        where=str(path),
        remedy="Take the original file, or delete it: the report then leaves out that chart.",
    )


_COLUMNS = {
    "timeseries.csv": {field.name for field in fields(SecondRow)},
    "parts.csv": {field.name for field in fields(PartRow)},
}
