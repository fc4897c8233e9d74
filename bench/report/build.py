"""From a result folder to ``report.html`` and ``report.md``; reads ``result.json`` and ``samples/`` only."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bench.analysis.compare import compare_sources
from bench.analysis.histogram import Histogram
from bench.analysis.latency import merge
from bench.analysis.variants import judge_variants
from bench.analysis.verdict import judge
from bench.errors import InputError
from bench.report.answers import answers, figures
from bench.report.charts import Curve, block_dots, over_time, percentile_plot
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
)
from bench.report.text import UNKNOWN, rate, seconds, version_number
from bench.report.way import way_figures
from bench.result import CapacityResult, Result, TlsLab, VariantsResult, read_result

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
        return _of_faults(result)
    if result.update is not None:
        return _of_update(result)
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
            traffic.latency(result, percentile_plot(_curves(folder, result)), over_time(rows)),
            handshake.handshake(result),
            *((capacity.capacity(result),) if result.capacity is not None else ()),
            cost.config_source(result, block_dots(blocks)),
            cost.components(result),
            context.generator(result),
            context.machine(result),
            context.limits(result),
            context.warnings(result),
            context.fingerprint(result),
            context.reading(),
        ),
    )


def _of_faults(result: Result) -> Document:
    """Such a run measures nothing else, so that there is nothing else to show."""
    return Document(
        title=f"{result.scenario}: does it notice?",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=faults.fault_figures(result),
        answers=(),
        sections=(faults.faults(result), context.warnings(result), context.fingerprint(result)),
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
            cost.components(result),
            context.generator(result),
            context.warnings(result),
            context.fingerprint(result),
            context.reading(),
        ),
    )


def _of_update(result: Result) -> Document:
    """Changes under load: neither blocks nor a latency of the scenario's rate."""
    return Document(
        title=f"{result.scenario}: what does a change do?",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=update.update_figures(result),
        answers=(),
        sections=(update.update(result), context.warnings(result), context.fingerprint(result)),
    )


def _of_capacity(result: Result, found: CapacityResult) -> Document:
    """A search has trials of its own, at many rates: no latency of the scenario's rate, no blocks."""
    return Document(
        title=f"{result.scenario}: how much does it carry?",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=capacity.capacity_figures(found),
        answers=(),
        sections=(
            verification.verification(result),
            capacity.capacity(result),
            capacity.cost_model(found.cost_models, found.memory_models),
            context.warnings(result),
            context.fingerprint(result),
        ),
    )


def _of_lab(result: Result, lab: TlsLab) -> Document:
    """The lab has loads of its own: no latency of the scenario's rate, no blocks."""
    return Document(
        title=f"{result.scenario}: what does a TLS handshake cost?",
        description=result.description,
        byline=_byline(result),
        verdict=judge(result),
        figures=tls_lab.lab_figures(lab),
        answers=(),
        sections=(
            *((tls_lab.matrix(lab), tls_lab.clocks(lab)) if lab.cells else ()),
            *tls_connections.connections(lab),
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


def _seconds(folder: Path, result: Result) -> pd.DataFrame:
    """The seconds of the measured stages of the steady trials, in the order in which they ran."""
    path = folder / "samples" / "timeseries.csv"
    if not path.exists():
        return pd.DataFrame()
    sources = {trial.name: trial.config_source for trial in result.trials if trial.experiment == "steady"}
    order = {name: number for number, name in enumerate(sources)}
    try:
        rows = pd.read_csv(path)
        rows = rows[
            (rows["experiment"] == "steady") & (rows["kind"] == "measure") & rows["trial"].isin(list(sources))
        ]
        rows = rows.assign(config_source=rows["trial"].map(sources), order=rows["trial"].map(order))
        return rows.sort_values(["order", "second"], kind="stable")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"the time series cannot be read ({error}).",
            where=str(path),
            remedy="Take the original file, or delete it: the report then leaves out that chart.",
        ) from error
