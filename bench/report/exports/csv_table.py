"""A table for spreadsheets: one row for each trial and subset, units in the column names."""

from __future__ import annotations

import csv
import io

from bench.result import Latency, Result, SubsetResult, TrialResult

_COUNTS = ("due", "sent", "answered", "unsent", "failed", "misrouted")
_PERCENTILES = ("samples", "p50", "p90", "p99", "p999", "maximum")
_CLOCKS = ("response_time", "service_time", "lag")
_COLUMNS = (
    *("run_id", "scenario", "experiment", "trial", "config_source", "block", "started_at", "duration_s"),
    *("arrival_rate_per_s", "achieved_rate_per_s", "subset", *_COUNTS),
    *(f"{clock}_{name}" + ("" if name == "samples" else "_us") for clock in _CLOCKS for name in _PERCENTILES),
)


def table_of(result: Result) -> str:
    """Write the table (RFC 4180); an empty cell is unknown. ``*`` in ``subset`` is the whole trial."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for trial in result.trials:
        for name, subset in (*((each.name, each) for each in trial.subsets), ("*", trial.total)):
            writer.writerow(_row(result, trial, name, subset))
    return out.getvalue()


def _row(result: Result, trial: TrialResult, name: str, subset: SubsetResult) -> list[object]:
    latencies: tuple[Latency, ...] = tuple(getattr(subset, clock) for clock in _CLOCKS)
    return [
        *(result.run_id, result.scenario, trial.experiment, trial.name, trial.config_source, trial.block),
        *(trial.started_at, trial.duration_s, trial.arrival_rate, trial.achieved_rate, name),
        *(getattr(subset, field) for field in _COUNTS),
        *(getattr(latency, field) for latency in latencies for field in _PERCENTILES),
    ]
