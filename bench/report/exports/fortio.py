"""Fortio's result file (``HTTPRunnerResults``), for ``fortio report`` beside Fortio's own runs.

The histogram is of response time (from due to answered), because Fortio's own load generator waits for
answers and this one does not: what Fortio calls a duration would hide that wait. Fortio counts by status;
here a right answer is 200 whatever status was expected, a wrong status is itself, and -1 is everything
without a status: Fortio's own sign for a socket error.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from bench.analysis.histogram import Histogram
from bench.analysis.verdict import whole
from bench.report.build import all_samples
from bench.result import Counts, Reason, ReasonCode, Result
from bench.units import MICROS_PER_SECOND

_PERCENTILES = (50.0, 75.0, 90.0, 99.0, 99.9)
_WIDTH = 1.02
"""A bucket of the file ends at this many times its start: finer ones only make the page slow."""
_BEYOND = 10
"""A percentile needs this many samples beyond it."""
_RIGHT, _NO_STATUS = 200, -1
_NANOS = 1_000_000_000


def fortio_of(result: Result, folder: Path | None) -> str:
    """Write the steady trials as one run of Fortio's.

    Args:
        result: what was measured.
        folder: where its samples lie; None: the histogram is empty.

    Raises:
        MeasurementError: the samples are damaged.
    """
    steady = [trial for trial in result.trials if trial.experiment == "steady"]
    rates = sorted({trial.arrival_rate for trial in steady if trial.arrival_rate is not None})
    spent_s = sum(trial.duration_s for trial in steady)
    total = whole(result)
    histogram = all_samples(folder, result, "response_time") if folder is not None else Histogram()
    document: dict[str, Any] = {
        "RunType": "HTTP",
        "Labels": f"egress-bench {result.scenario}, response time, 200: right answers",
        "StartTime": result.started_at,
        "RequestedQPS": f"{rates[0]:g}" if len(rates) == 1 else "mixed" if rates else "max",
        "RequestedDuration": f"{spent_s:g}s",
        "ActualQPS": total.sent / spent_s if total is not None and spent_s else 0,
        "ActualDuration": round(spent_s * _NANOS),
        "NumThreads": (result.generator.connections or 0) if result.generator is not None else 0,
        "Version": f"egress-bench {result.fingerprint.versions.get('egress-bench', '')}".strip(),
        "DurationHistogram": _histogram(histogram),
        "RetCodes": {str(code): count for code, count in sorted(_codes(total).items())},
        "URL": result.scenario,
    }
    return json.dumps(document, indent=1) + "\n"


def _codes(total: Counts | None) -> Counter[int]:
    codes: Counter[int] = Counter()
    if total is None:
        return codes
    codes[_RIGHT] = total.answered
    unsent = total.unsent
    for key, count in total.reasons.items():
        reason = Reason.of(key)
        if reason.code is ReasonCode.STATUS and reason.detail.isdecimal():
            codes[int(reason.detail)] += count
    codes[_NO_STATUS] = total.due - unsent - sum(codes.values())
    return +codes


def _histogram(histogram: Histogram) -> dict[str, Any]:
    recorded = histogram.recorded
    count = int(recorded.counts.sum())
    mean, deviation = recorded.mean_and_deviation
    bars: list[dict[str, float]] = []
    below = 0
    for low, high, number in zip(
        recorded.lowest.tolist(), recorded.highest.tolist(), recorded.counts.tolist(), strict=True
    ):
        below += number
        start, end = low / MICROS_PER_SECOND, high / MICROS_PER_SECOND
        if bars and end <= bars[-1]["Start"] * _WIDTH:
            bars[-1].update(End=end, Percent=100 * below / count, Count=bars[-1]["Count"] + number)
        else:
            bars.append({"Start": start, "End": end, "Percent": 100 * below / count, "Count": number})
    percentiles = [
        {"Percentile": level, "Value": value / MICROS_PER_SECOND}
        for level in _PERCENTILES
        if count * (1 - level / 100) >= _BEYOND and (value := histogram.percentile(level)) is not None
    ]
    return {
        "Count": count,
        "Min": bars[0]["Start"] if bars else 0,
        "Max": bars[-1]["End"] if bars else 0,
        "Sum": mean * count / MICROS_PER_SECOND,
        "Avg": mean / MICROS_PER_SECOND,
        "StdDev": deviation / MICROS_PER_SECOND,
        "Data": bars,
        "Percentiles": percentiles,
    }
