"""Whether the generator kept its own schedule: what a busy machine did is not the path's fault."""

from __future__ import annotations

from bench.analysis.generator_health import LAG_LIMIT_US
from bench.analysis.histogram import Histogram
from bench.load import LoadOutcome
from bench.units import format_micros


def generator_limit(outcome: LoadOutcome) -> str | None:
    """Say how late the generator itself was in the measured stage; None if it kept its schedule."""
    lags = [
        Histogram.decode(stage.own_lag)
        for stage in outcome.stages
        if stage.kind == "measure" and stage.own_lag is not None
    ]
    worst = max((lag.percentile(99.0) or 0 for lag in lags), default=0)
    if worst <= LAG_LIMIT_US:
        return None
    limit = format_micros(LAG_LIMIT_US)
    return f"the generator was late: p99 of its own lag {format_micros(worst)}, limit {limit}"
