"""Whether the generator kept its own schedule: what a busy machine did is nobody's fault."""

from __future__ import annotations

from bench.analysis.generator_health import LAG_LIMIT_US
from bench.analysis.histogram import Histogram
from bench.load import LoadOutcome
from bench.units import format_micros


def generator_limit(outcome: LoadOutcome) -> str | None:
    """Say how late the generator was in the measured stage; None if it kept its schedule.

    Lag counts from the moment a request was due until it was sent, so it is not the path's doing as long as
    connections are free, of which a load of this kind has many.
    """
    lags = [
        Histogram.decode(subset.lag)
        for stage in outcome.stages
        if stage.kind == "measure"
        for subset in stage.subsets
    ]
    worst = max((lag.percentile(99.0) or 0 for lag in lags), default=0)
    if worst <= LAG_LIMIT_US:
        return None
    limit = format_micros(LAG_LIMIT_US)
    return f"the generator was late: p99 of its lag {format_micros(worst)}, limit {limit}"
