"""Can the generator be trusted? Signs that it, and not the path under test, made the numbers."""

from __future__ import annotations

import math

from bench.result import GeneratorResult, RunWarning, SubsetResult

BUSY_SHARE = 0.7
"""Above this share of one core a worker starts to be late by itself."""
FULL_SHARE = 0.9
"""Above this share its capacity is what was measured."""
LAG_LIMIT_US = 5_000
"""Default for the 99th percentile of the generator's lateness."""

GENERATOR_LIMITED = frozenset({"generator-cpu-full", "generator-late"})
"""Codes of warnings after which the run says more about the generator than about the path."""


def judge_generator(
    generator: GeneratorResult, *, lag_limit_us: int = LAG_LIMIT_US, in_flight_samples: int | None = None
) -> tuple[RunWarning, ...]:
    """Judge lateness, CPU and Little's law over all measured stages.

    Args:
        generator: what the generator did; ``mean_in_flight`` and ``little_in_flight`` None: not judged.
        lag_limit_us: bound for the p99 of lag, µs.
        in_flight_samples: how many samples stand behind ``mean_in_flight``; None: unknown.
    """
    found = (
        _lag(generator, lag_limit_us),
        _cpu(generator),
        _littles_law(generator.mean_in_flight, generator.little_in_flight, in_flight_samples),
    )
    return tuple(warning for warning in found if warning is not None)


def little_in_flight(answered: int, duration_s: float, mean_service_time_us: float | None) -> float | None:
    """Mean requests in flight by Little's law: answers per second times mean service time.

    Args:
        answered: answers with a service time.
        duration_s: the stage's length in seconds.
        mean_service_time_us: their mean service time; None: unknown.
    """
    if mean_service_time_us is None or duration_s <= 0:
        return None
    return answered / duration_s * mean_service_time_us / 1_000_000


def _lag(generator: GeneratorResult, limit_us: int) -> RunWarning | None:
    lag = generator.lag
    if lag.samples == 0:
        return RunWarning(
            code="generator-lag-unknown",
            message="The generator's lateness was not recorded.",
            advice="Treat response times as unproven.",
        )
    value, name = (lag.p99, "p99") if lag.p99 is not None else (lag.maximum, "maximum")
    if value is None or value <= limit_us:
        return None
    return RunWarning(
        code="generator-late",
        message=f"The generator itself was late: {name} of lag {value:,} µs, limit {limit_us:,} µs"
        f" ({lag.samples:,} samples).",
        advice="Response times contain this. Lower the arrival rate, add workers, or free the machine.",
    )


def _cpu(generator: GeneratorResult) -> RunWarning | None:
    share = generator.cpu_share
    if share is None:
        return RunWarning(
            code="generator-cpu-unknown",
            message="The generator's CPU time is not known.",
            advice="CPU cannot show whether it was the bottleneck; look at its lag.",
        )
    if share > FULL_SHARE:
        return RunWarning(
            code="generator-cpu-full",
            message=f"Each generator worker used {share:.0%} of a core: it is the bottleneck.",
            advice="Add workers or lower the arrival rate; this run gives no capacity figure.",
        )
    if share > BUSY_SHARE:
        return RunWarning(
            code="generator-cpu-busy",
            message=f"Each generator worker used {share:.0%} of a core.",
            advice=f"Above {BUSY_SHARE:.0%} lateness grows: add workers before you raise the rate.",
        )
    return None


def _littles_law(measured: float | None, expected: float | None, samples: int | None) -> RunWarning | None:
    """Mean requests in flight must be throughput times mean service time (Little, Oper. Res. 9, 1961, 383).

    The number in flight varies like a Poisson count, so the mean of n samples has a relative standard error
    of about 1/sqrt(n × mean): three of these, and never below 2 %, are allowed. With n unknown: 10 %.
    """
    if measured is None or expected is None or expected <= 0:
        return None
    allowed = 0.10 if samples is None else max(0.02, 3 / math.sqrt(max(samples, 1) * expected))
    off = measured / expected - 1
    if abs(off) <= allowed:
        return None
    return RunWarning(
        code="littles-law",
        message=f"{measured:.3g} requests were in flight on average, Little's law says {expected:.3g}"
        f" ({off:+.0%}, allowed ±{allowed:.0%}).",
        advice="Clocks and counters contradict each other: do not trust service times of this run.",
    )


def judge_delivery(total: SubsetResult) -> tuple[RunWarning, ...]:
    """Was the schedule kept? Unsent requests are losses, and make the load lower than the one asked for."""
    if total.unsent == 0:
        return ()
    return (
        RunWarning(
            code="unsent",
            message=f"{total.unsent:,} of {total.due:,} due requests were never sent"
            f" ({total.unsent / max(total.due, 1):.2%}).",
            advice="They are losses. Add connections or workers, lower the rate, or look for a stalled path.",
        ),
    )
