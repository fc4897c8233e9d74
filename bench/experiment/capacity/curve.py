"""Latency against arrival rate: eight rates from far below the bound to beyond it, open loop."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.capacity import lost
from bench.experiment.capacity.trials import WARM_UP_S, Trials
from bench.result import CurvePoint, RunWarning

SHARES = (0.1, 0.25, 0.5, 0.7, 0.85, 0.95, 1.05, 1.2)
"""Of the bound; the last two lie beyond it."""
_SECONDS = 1.5
_REQUESTS = 1_000
"""A p99 of fewer would be one of the last ten requests: at low rates the load lasts longer."""
_MOST_S = 3.0
CURVE_S = len(SHARES) * (_MOST_S + WARM_UP_S)


def note_curve(trials: Trials) -> None:
    """Measure it and keep it in the record, with a warning where it contradicts the bound.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    points = measure_curve(trials)
    record = trials.run.record
    if record.capacity is None:
        return
    record.capacity = record.capacity.model_copy(update={"curve": points})
    warning = contradiction(points, record.capacity.lower or 0.0, trials.goal_loss)
    if warning is not None:
        record.warn(warning, trials.run.observer)
    record.save()


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


def contradiction(points: Sequence[CurvePoint], lower: float, goal_loss: float) -> RunWarning | None:
    """Say that a rate below the bound missed the limit when the curve was measured; None: none did."""
    missed = [each for each in points if each.rate < lower and each.lost > goal_loss * each.due]
    if not missed:
        return None
    worst = max(missed, key=lambda each: each.lost / each.due)
    return RunWarning(
        code="curve-below-bound",
        message=f"When the curve was measured, {worst.lost / worst.due:.0%} of the requests missed the limit"
        f" at {worst.rate:,.0f} requests/s, though the search found that {lower:,.0f} meet it.",
        advice="The path carried less by then, as beside other work: measure again on a quiet machine.",
    )
