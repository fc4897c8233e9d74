"""Where the requests of several results went and how long they took."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.analysis.ledger import summarise_ledger
from bench.report.comparison.tables import Row, figure_table, letters, steady
from bench.report.document import Chart, Note, Part, Section, Table
from bench.report.folding import fold
from bench.report.sections.traffic import misroute_rate
from bench.report.text import UNKNOWN, micros
from bench.result import Latency, Result, SubsetResult, TrialResult
from bench.units import format_count

_PERCENTILES: tuple[tuple[str, Callable[[Latency], int | None]], ...] = (
    ("p50", lambda latency: latency.p50),
    ("p90", lambda latency: latency.p90),
    ("p99", lambda latency: latency.p99),
    ("p99.9", lambda latency: latency.p999),
    ("max", lambda latency: latency.maximum),
)


def correctness(results: Sequence[Result]) -> Section:
    """Counts of each result, whole and by subset, and the calls before the load."""
    rows = [
        (letter, subset.name, *_counts(subset))
        for letter, result in zip(letters(len(results)), results, strict=True)
        for subset in (*result.totals[-1:], *(result.totals[:-1] if len(result.totals) > 1 else ()))
    ]
    right = [
        subset.answered == subset.due
        for result in results
        for subset in (*result.totals[-1:], *(result.totals[:-1] if len(result.totals) > 1 else ()))
    ]
    counts = Table(
        columns=(
            "result",
            "subset",
            *("due", "sent", "answered", "unsent", "failed", "misrouted", "misroute rate, 95 %"),
        ),
        rows=tuple(rows),
        marks=tuple("good" if each else "bad" for each in right),
        numbers_from=2,
        caption="Steady trials, merged.",
    )
    calls = Table(
        columns=("result", "verification calls", "right", "limits", "met", "warnings"),
        rows=tuple(
            (
                letter,
                format_count(len(result.verification)),
                format_count(sum(line.passed for line in result.verification)),
                format_count(len(result.limits)),
                format_count(sum(check.passed for check in result.limits)),
                ", ".join(dict.fromkeys(warning.code for warning in result.warnings)) or "none",
            )
            for letter, result in zip(letters(len(results)), results, strict=True)
        ),
        marks=tuple(
            "good"
            if all(line.passed for line in result.verification) and all(each.passed for each in result.limits)
            else "bad"
            for result in results
        ),
        numbers_from=1,
    )
    parts: list[Part] = [*fold(counts, f"Counts of {len(rows)} subsets")] if rows else []
    if not rows:
        parts.append(Note("None of these results has a steady trial."))
    return Section(
        "correctness",
        "Correctness",
        (*parts, calls),
        "A cost is worth comparing only where the answers were right.",
    )


def _counts(subset: SubsetResult) -> tuple[str, ...]:
    counts = (subset.due, subset.sent, subset.answered, subset.unsent, subset.failed, subset.misrouted)
    return (*(format_count(count) for count in counts), misroute_rate(subset))


def latency(results: Sequence[Result], percentiles: str | None) -> Section:
    """Percentiles by subset, and how far the trials of each result lie apart."""
    names = dict.fromkeys(
        name for result in results for name in ("all", *(subset.name for subset in result.totals))
    )

    def subset(result: Result, name: str) -> SubsetResult | None:
        found = result.totals[-1:] if name == "all" else result.totals
        return next((each for each in found if name in ("all", each.name)), None)

    def rows(clock: Callable[[SubsetResult], Latency]) -> list[Row]:
        return [
            Row(
                (name, percentile),
                tuple(
                    pick(clock(found)) if (found := subset(result, name)) is not None else None
                    for result in results
                ),
            )
            for name in names
            for percentile, pick in _PERCENTILES
        ]

    headings = ("subset", "percentile")
    response = figure_table(
        headings,
        rows(lambda found: found.response_time),
        micros,
        caption="Response time in microseconds, steady trials merged.",
    )
    service = figure_table(
        headings, rows(lambda found: found.service_time), micros, caption="Service time in microseconds."
    )
    parts: list[Part] = []
    if response.rows:
        parts.append(response)
        if percentiles:
            parts.append(Chart("percentiles", "Response time by percentile, all subsets.", percentiles))
        parts += [_spread(results), *fold(service, "Service time by subset and percentile"), _lag(results)]
    else:
        parts.append(Note("None of these results has a steady trial."))
    return Section(
        "latency",
        "Latency",
        tuple(parts),
        "Response time counts from the moment a request was due, service time from the moment it was sent.",
    )


def _spread(results: Sequence[Result]) -> Table:
    """Lowest and highest trial of each result: what a run varies by itself."""
    picks: tuple[tuple[str, Callable[[TrialResult], int | None]], ...] = (
        ("response time p50", lambda trial: trial.total.response_time.p50),
        ("response time p99", lambda trial: trial.total.response_time.p99),
        ("service time p50", lambda trial: trial.total.service_time.p50),
    )
    rows = []
    for name, pick in picks:
        ranges = [_range([pick(trial) for trial in steady(result)]) for result in results]
        known = [each for each in ranges if each is not None]
        overlap = UNKNOWN
        if len(known) == len(results):
            overlap = "overlap" if max(low for low, _ in known) <= min(high for _, high in known) else "apart"
        rows.append((name, *(_range_text(each) for each in ranges), overlap))
    return Table(
        columns=("of single trials", *letters(len(results)), "ranges"),
        rows=tuple(rows),
        caption="Lowest to highest steady trial in microseconds. Where ranges overlap,"
        " no difference is shown; where they lie apart, the time between the runs may still be the reason.",
    )


def _range(values: Sequence[int | None]) -> tuple[int, int] | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known and len(known) == len(values) else None


def _range_text(found: tuple[int, int] | None) -> str:
    return UNKNOWN if found is None else f"{micros(found[0])} – {micros(found[1])}"


def _lag(results: Sequence[Result]) -> Table:
    def of(pick: Callable[[Latency], int | None], what: str) -> tuple[float | None, ...]:
        latencies = [getattr(result.generator, what) if result.generator else None for result in results]
        return tuple(pick(each) if each is not None else None for each in latencies)

    return figure_table(
        ("generator", "percentile"),
        [
            Row((label, name), of(pick, what))
            for what, label in (("lag", "lag"), ("null_target_baseline", "null-target baseline"))
            for name, pick in (_PERCENTILES[0], _PERCENTILES[2])
        ],
        micros,
        caption="What the generator adds, in microseconds: its lateness, and what it takes against a stub.",
    )


def ledger(results: Sequence[Result]) -> Section:
    """Whether each run's books are closed."""
    rows: list[tuple[str, ...]] = []
    good: list[bool] = []
    for letter, result in zip(letters(len(results)), results, strict=True):
        summary = summarise_ledger(result)
        if summary is None:
            rows.append((letter, "none kept", *(UNKNOWN,) * 4))
            good.append(True)
            continue
        rows.append(
            (
                letter,
                summary.level,
                f"{summary.balanced} of {summary.trials}",
                format_count(summary.requests),
                format_count(summary.unexplained),
                "; ".join(summary.troubles[:1]) or "none",
            )
        )
        good.append(not summary.troubles)
    table = Table(
        columns=("result", "level", "trials that balance", "requests", "unexplained", "first trouble"),
        rows=tuple(rows),
        marks=tuple("good" if each else "bad" for each in good),
        numbers_from=2,
    )
    return Section("ledger", "Ledger", (table,), "Client, sidecar, gateway and nodes each count.")
