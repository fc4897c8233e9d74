"""Limits of a scenario against what the run did."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches

from bench.errors import InputError
from bench.result import Latency, LimitCheck, SubsetResult
from bench.units import format_count, format_micros

COUNTS = ("misrouted", "unsent", "failed")
RETRIED = "retried"
"""Attempts that a proxy made again: from the ledger, not from the client."""
PERCENTILES = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p999", "max": "maximum"}

_CLOCKS: dict[str, Callable[[SubsetResult], Latency]] = {
    "response_time": lambda result: result.response_time,
    "service_time": lambda result: result.service_time,
    "lag": lambda result: result.lag,
}

LIMITS = (*COUNTS, RETRIED, *tuple(f"{clock}_{name}_ms" for clock in _CLOCKS for name in PERCENTILES))
"""Every limit by name. Counts: at most this many. Times: at most this many milliseconds, e.g.
``response_time_p99_ms``; ``lag`` is the generator's own lateness."""


def check_limits(
    limits: Mapping[str, float | None],
    total: SubsetResult,
    *,
    retried: int | None = None,
    where: str | None = None,
) -> tuple[LimitCheck, ...]:
    """Judge *total* by each limit; a bound of None is not a limit.

    What was not measured does not pass: a p99.9 from too few samples, or any time without samples.

    Args:
        limits: name out of ``LIMITS`` -> bound.
        total: the whole of the run.
        retried: attempts that proxies made again; None: unknown.
        where: the file that holds the limits, for errors.

    Raises:
        InputError: there is no limit of this name.
    """
    return tuple(
        _check_retried(bound, retried) if name == RETRIED else _check(name, bound, total, where)
        for name, bound in limits.items()
        if bound is not None
    )


def _check_retried(bound: float, retried: int | None) -> LimitCheck:
    return LimitCheck(
        name=RETRIED,
        limit=f"≤ {bound:,.10g}",
        bound=bound,
        measured=format_count(retried) if retried is not None else "– (no account of the proxies)",
        passed=retried is not None and retried <= bound,
        is_proven=retried is not None,
    )


_PER_THOUSAND = {"p50": 500, "p90": 900, "p99": 990, "p999": 999}


def samples_needed(name: str) -> int | None:
    """How many samples the percentile of a limit takes, ten of them beyond it; None: one is enough."""
    per_thousand = _PER_THOUSAND.get(name.rsplit("_", 2)[1]) if name not in (*COUNTS, RETRIED) else None
    return None if per_thousand is None else math.ceil(10 * 1000 / (1000 - per_thousand))


def _check(name: str, bound: float, total: SubsetResult, where: str | None) -> LimitCheck:
    if name not in LIMITS:
        near = get_close_matches(name, LIMITS, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Limits are: {', '.join(LIMITS)}."
        raise InputError(f"there is no limit named {name}.", where=where, remedy=remedy)
    if name in COUNTS:
        count: int = getattr(total, name)
        # Without a single request the count is 0 and proves nothing.
        return LimitCheck(
            name=name,
            limit=f"≤ {bound:,.10g}",
            bound=bound,
            measured=format_count(count) if total.due else "– (nothing was due)",
            passed=total.due > 0 and count <= bound,
        )
    clock, percentile, _ = name.rsplit("_", 2)
    latency = _CLOCKS[clock](total)
    value: int | None = getattr(latency, PERCENTILES[percentile])
    limit = f"≤ {bound:.6g} ms"
    if value is None:
        measured = f"– ({latency.samples:,} samples are too few)"
        # Without any sample nothing was answered: that is the path's doing.
        is_proven = latency.samples == 0
        return LimitCheck(
            name=name, limit=limit, measured=measured, passed=False, is_proven=is_proven, bound=bound
        )
    return LimitCheck(
        name=name, limit=limit, measured=format_micros(value), passed=value <= bound * 1000, bound=bound
    )
