"""Where the requests went and how long they took: verification, correctness, latency."""

from __future__ import annotations

from bench.analysis.bounds import misroute_upper_bound
from bench.report.document import Chart, Listing, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.sections.shares import answers_by_node
from bench.report.text import PERCENTILE_COLUMNS, bound, percentile_cells, rate, share
from bench.result import Latency, Reason, Result, SubsetResult
from bench.units import format_count

MOST_EXAMPLES = 8


def correctness(result: Result) -> Section:
    """Counts for each subset and the whole, and why requests were lost."""
    totals = result.totals
    parts: list[Part] = []
    if totals:
        parts.append(
            Table(
                columns=(
                    "subset",
                    "due",
                    "sent",
                    "answered",
                    "unsent",
                    "failed",
                    "misrouted",
                    "misroute rate, 95 %",
                ),
                rows=tuple(_counts(subset) for subset in totals),
                marks=tuple("good" if subset.answered == subset.due else "bad" for subset in totals),
                caption="Steady trials, merged.",
                total_row=len(totals) > 1,
            )
        )
    else:
        parts.append(Note("No steady trial ended in this run."))
    parts += answers_by_node(result)
    reasons = [
        (subset.name, Reason.of(key).text, f"{count:,}")
        for subset in (totals[:-1] if len(totals) > 1 else totals)
        for key, count in sorted(subset.reasons.items(), key=lambda item: -item[1])
    ]
    if reasons:
        parts.append(
            Table(
                columns=("subset", "reason", "requests"),
                rows=tuple(reasons),
                numbers_from=2,
                caption="Why requests failed, were misrouted or stayed unsent.",
            )
        )
    if result.trials:
        trials = len(result.trials)
        whole = sum(trial.total.answered == trial.total.due for trial in result.trials)
        parts += fold(_trial_counts(result), f"Every trial by itself: all answered in {whole} of {trials}")
    parts += _stages(result)
    parts += [
        Listing(
            f"Example of “{Reason.of(example.reason).text}” ({example.subset}; {example.trial}):"
            " what was sent, what came back.",
            f"{example.request.rstrip()}\n\n{example.response.rstrip() or '(nothing came back)'}",
        )
        for example in result.examples[:MOST_EXAMPLES]
    ]
    if len(result.examples) > MOST_EXAMPLES:
        parts.append(Note(f"{len(result.examples) - MOST_EXAMPLES} more examples are in result.json."))
    return Section(
        anchor="correctness",
        title="Correctness",
        lead="Every answer is checked for status, node and body. A due request that was not sent is"
        " unsent and"
        " counts as lost; one that the wrong subset answered is misrouted.",
        parts=tuple(parts),
    )


def _counts(subset: SubsetResult) -> tuple[str, ...]:
    counts = (subset.due, subset.sent, subset.answered, subset.unsent, subset.failed, subset.misrouted)
    return (subset.name, *(format_count(count) for count in counts), misroute_rate(subset))


def misroute_rate(subset: SubsetResult) -> str:
    """What the counts say about the rate of misroutes: the rate seen, if any, and its upper bound."""
    seen = subset.answered + subset.misrouted
    limit = bound(misroute_upper_bound(subset.misrouted, seen))
    return f"{share(subset.misrouted / seen)} seen, {limit}" if subset.misrouted else limit


def _trial_counts(result: Result) -> Table:
    rows = [
        (
            trial.name,
            trial.experiment,
            *(
                format_count(count)
                for count in (
                    trial.total.due,
                    trial.total.sent,
                    trial.total.answered,
                    trial.total.unsent,
                    trial.total.failed,
                    trial.total.misrouted,
                )
            ),
        )
        for trial in result.trials
    ]
    return Table(
        columns=("trial", "experiment", "due", "sent", "answered", "unsent", "failed", "misrouted"),
        rows=tuple(rows),
        marks=tuple("good" if trial.total.answered == trial.total.due else "bad" for trial in result.trials),
        numbers_from=2,
        caption="Every trial by itself.",
    )


def _stages(result: Result) -> list[Part]:
    """Every stage, warm-ups and the baseline included: a wrong answer anywhere fails a run."""
    counted = [(trial.name, stage.name, stage.total) for trial in result.trials for stage in trial.stages]
    if not counted:
        return []
    if result.generator is not None and result.generator.baseline_counts is not None:
        counted.append(("null-target baseline", "measure", result.generator.baseline_counts))
    rows = tuple(
        (
            trial,
            stage,
            *(
                format_count(count)
                for count in (
                    counts.due,
                    counts.answered,
                    counts.misrouted,
                    counts.wrong_bodies,
                    counts.failed - counts.wrong_bodies,
                    counts.unsent,
                )
            ),
        )
        for trial, stage, counts in counted
    )
    table = Table(
        columns=("trial", "stage", "due", "right", "misrouted", "wrong body", "failed otherwise", "unsent"),
        rows=rows,
        marks=tuple("good" if counts.answered == counts.due else "bad" for *_, counts in counted),
        numbers_from=2,
        caption="Every stage by itself, warm-ups and the baseline included.",
    )
    clean = sum(counts.answered == counts.due for *_, counts in counted)
    return list(fold(table, f"Every stage by itself: all right in {clean} of {len(counted)}"))


def latency(result: Result, percentiles: str | None, over_time: str | None) -> Section:
    """Percentiles for each subset and the whole.

    Args:
        result: the run.
        percentiles: SVG of the percentile plot, None without samples.
        over_time: SVG of response time over time, None without samples.
    """
    parts: list[Part] = []
    if result.totals:
        rows = [
            (subset.name, clock, *percentile_cells(value))
            for subset in result.totals
            for clock, value in (
                ("response time", subset.response_time),
                ("service time", subset.service_time),
            )
        ]
        parts.append(
            Table(
                columns=("subset", "clock", *PERCENTILE_COLUMNS),
                rows=tuple(rows),
                numbers_from=2,
                caption="Microseconds, steady trials merged.",
            )
        )
    else:
        parts.append(Note("No steady trial ended in this run."))
    if percentiles:
        parts.append(
            Chart(
                "percentiles",
                "Time by percentile, all steady trials merged. The axis gives each further nine the same"
                " room;"
                " a line ends where fewer than ten samples lie beyond it.",
                percentiles,
            )
        )
    if over_time:
        parts.append(
            Chart(
                "over-time",
                "Response time in each second of the steady trials, in the order in which they ran.",
                over_time,
            )
        )
    if result.trials:
        parts += fold(_trial_latency(result), f"Response time of each of the {len(result.trials)} trials")
    return Section(
        anchor="latency",
        title="Latency",
        lead="Response time counts from the moment a request was due, service time from the moment it was"
        " sent.",
        parts=tuple(parts),
    )


def _trial_latency(result: Result) -> Table:
    rows = []
    for trial in result.trials:
        time: Latency = trial.total.response_time
        asked = "closed loop" if trial.arrival_rate is None else rate(trial.arrival_rate)
        rows.append((trial.name, trial.experiment, asked, rate(trial.achieved_rate), *percentile_cells(time)))
    return Table(
        columns=("trial", "experiment", "due/s", "sent/s", *PERCENTILE_COLUMNS),
        rows=tuple(rows),
        numbers_from=2,
        caption="Response time of every trial in microseconds.",
    )
