"""What the command line says of a search, and the goal that follows from it and the scenario."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.analysis.capacity import Goal, TimeLimit, time_limits
from bench.errors import InputError
from bench.scenario import mean_rate
from bench.scenario.load import LoadedScenario
from bench.stack.backend import Backend
from bench.translate import ConfigSource

HIGHEST = 30_000.0
"""No generator of this suite offers more from one machine."""
QUICK_S = 36.0
"""Of trials, at most."""
_LOWEST_OF_START = 50
_LOWEST = 5.0


@dataclass(frozen=True, slots=True)
class CapacityOptions:
    """What the command line says."""

    out: Path
    command: str
    backend: Backend
    config_source: ConfigSource = "static"
    lowest: float | None = None
    """Requests/s; None: a fiftieth of the scenario's rate."""
    highest: float = HIGHEST
    p99_ms: float | None = None
    """Limit on the response time instead of the scenario's."""
    quick: bool = False
    """Coarser and shorter."""
    soak_s: float | None = None
    with_model: bool = True
    """Measure the cost model after the search."""
    with_curve: bool = False
    """Measure latency at eight rates up to beyond the bound."""
    scaling: tuple[Literal["workers", "replicas"], tuple[int, ...]] | None = None
    """Search again at these numbers of the gateway's workers or replicas."""
    design: Literal["quick", "full"] = "quick"
    """Of the cost model."""


def quick_goal(
    loaded: LoadedScenario,
    *,
    lowest: float | None,
    highest: float,
    loss: float,
    most_s: float,
    soak_s: float | None = None,
) -> Goal:
    """Coarse bounds, 3 % apart, within *most_s* seconds of trials.

    Raises:
        InputError: the range is none.
    """
    start, from_rate = _start(loaded, lowest)
    return Goal(
        lowest=from_rate,
        highest=highest,
        start=start,
        loss=loss,
        width=0.03,
        duration_sum_s=5.0,
        trial_requests=200,
        soak_s=4.0 if soak_s is None else soak_s,
        most_s=most_s,
    )


def _start(loaded: LoadedScenario, lowest: float | None) -> tuple[float, float]:
    """Where a search begins, and the lowest rate that it tries, requests/s."""
    start = mean_rate(loaded.scenario.traffic.schedule) or 500.0
    return start, max(_LOWEST, start / _LOWEST_OF_START) if lowest is None else lowest


def limits_of(loaded: LoadedScenario, p99_ms: float | None) -> tuple[TimeLimit, ...]:
    """What a trial must meet.

    Raises:
        InputError: neither scenario nor command line set a limit on response times, or it is none.
    """
    limits = loaded.scenario.limits.model_dump()
    if p99_ms is not None and not 0 < p99_ms < math.inf:
        raise InputError(f"--p99 is {p99_ms:g} ms.", remedy="Give a finite time above 0 milliseconds.")
    if p99_ms is not None:
        limits = {"response_time_p99_ms": p99_ms}
    return time_limits(limits, str(loaded.position("limits")))


def goal_of(loaded: LoadedScenario, options: CapacityOptions, limits: tuple[TimeLimit, ...]) -> Goal:
    """The goal of the search.

    Raises:
        InputError: the range is none.
    """
    strictest = limits[0].share
    if options.quick:
        return quick_goal(
            loaded,
            lowest=options.lowest,
            highest=options.highest,
            loss=strictest,
            most_s=QUICK_S,
            soak_s=options.soak_s,
        )
    start, lowest = _start(loaded, options.lowest)
    soak_s = 10.0 if options.soak_s is None else options.soak_s
    return Goal(
        lowest=lowest, highest=options.highest, start=start, loss=strictest, soak_s=soak_s, most_s=240.0
    )
