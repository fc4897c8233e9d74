"""Latency against arrival rate: eight rates from far below the bound to beyond it, open loop."""

from __future__ import annotations

from bench.analysis.capacity import lost
from bench.experiment.capacity.trials import WARM_UP_S, Trials
from bench.result import CurvePoint

SHARES = (0.1, 0.25, 0.5, 0.7, 0.85, 0.95, 1.05, 1.2)
"""Of the bound; the last two lie beyond it."""
_SECONDS = 1.5
_REQUESTS = 1_000
"""A p99 of fewer would be one of the last ten requests: at low rates the load lasts longer."""
_MOST_S = 3.0
CURVE_S = len(SHARES) * (_MOST_S + WARM_UP_S)


def measure_curve(trials: Trials) -> tuple[CurvePoint, ...]:
    """One load at each share of the lower bound, in an order in which no two neighbours follow each other.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    run = trials.run
    found = run.record.capacity
    if found is None or found.lower is None:
        return ()
    # A drift of the machine must not look like a slope.
    order = (*SHARES[::2], *reversed(SHARES[1::2]))
    points = []
    for share in order:
        rate = found.lower * share
        seconds = min(_MOST_S, max(_SECONDS, _REQUESTS / rate))
        run.observer.stage(f"latency at {rate:,.0f} requests/s", seconds + WARM_UP_S)
        stages = trials.measure_stages(rate, seconds)
        loss = lost([subset for stage in stages for subset in stage.subsets], trials.limits)
        points.append(
            CurvePoint(
                rate=rate,
                due=loss.due,
                good=loss.due - loss.bad - loss.slow,
                lost=loss.bad + loss.slow,
                seconds=seconds,
                response_time_p50=loss.p50,
                response_time_p99=loss.p99,
            )
        )
    return tuple(sorted(points, key=lambda point: point.rate))
