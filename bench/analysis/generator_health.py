"""Can the generator be trusted? Signs that it, and not the path under test, made the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bench.result import GeneratorResult, Latency, RunWarning, SubsetResult

BUSY_SHARE = 0.7
"""Above this share of one core a worker starts to be late by itself."""
FULL_SHARE = 0.9
"""Above this share its capacity is what was measured."""
LAG_LIMIT_US = 5_000
"""Default for the 99th percentile of the generator's own lateness."""
WAIT_LIMIT_US = 5_000
"""For the 99th percentile of the wait for a free connection."""

GENERATOR_FULL = "generator-cpu-full"
"""Code of the warning that its processor time is used up, by itself."""
GENERATOR_LIMITED = frozenset({GENERATOR_FULL, "generator-late"})
"""Codes of warnings after which the run says more about the generator than about the path."""


def judge_generator(
    generator: GeneratorResult,
    *,
    lag_limit_us: int = LAG_LIMIT_US,
    in_flight_samples: int | None = None,
    edge_share: float = 0.0,
) -> tuple[RunWarning, ...]:
    """Judge lateness, waiting, CPU and Little's law over all measured stages.

    Args:
        generator: what the generator did; ``mean_in_flight`` and ``little_in_flight`` None: not judged.
        lag_limit_us: bound for the p99 of its own lag, µs.
        in_flight_samples: how many samples are behind ``mean_in_flight``; None: unknown.
        edge_share: how far the law may be off because requests cross the edges of a stage, as a share.
    """
    found = (
        _own_lag(generator, lag_limit_us),
        _waiting(generator),
        _cpu(generator),
        _littles_law(generator, in_flight_samples, edge_share),
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


def connections_needed(arrival_rate: float, mean_service_time_us: float | None) -> int | None:
    """Connections that carry *arrival_rate* (per second) with hardly any waiting; None: unknown.

    Offered load a = rate times service time; a + 2 sqrt(a) by the square-root rule (Halfin and Whitt, Oper.
    Res. 29, 1981, 567), at least one more than a.
    """
    if mean_service_time_us is None:
        return None
    offered = arrival_rate * mean_service_time_us / 1_000_000
    return math.ceil(offered + max(1.0, 2 * math.sqrt(offered)))


def judged_percentile(latency: Latency) -> tuple[int, str] | None:
    """The highest percentile by which lateness is judged, µs, and its name; None: too few samples.

    Never the maximum: one late request in a short run says nothing of the others.
    """
    for value, name in ((latency.p99, "p99"), (latency.p90, "p90")):
        if value is not None:
            return value, name
    return None


def _own_lag(generator: GeneratorResult, limit_us: int) -> RunWarning | None:
    lag = generator.own_lag or generator.lag
    if lag.samples == 0:
        return RunWarning(
            code="generator-lag-unknown",
            message="The generator's lateness was not recorded.",
            advice="Treat response times as unproven.",
        )
    judged = judged_percentile(lag)
    if judged is None or judged[0] <= limit_us:
        return None
    value, name = judged
    return RunWarning(
        code="generator-late",
        message=f"The generator itself was late: {name} of its own lag {value:,} µs, limit {limit_us:,} µs"
        f" ({lag.samples:,} samples).",
        advice="Response times contain this. Lower the arrival rate, add workers, or free the machine.",
    )


def _waiting(generator: GeneratorResult) -> RunWarning | None:
    judged = judged_percentile(generator.waited) if generator.waited is not None else None
    if judged is None or judged[0] <= WAIT_LIMIT_US:
        return None
    value, name = judged
    have, need = generator.connections, generator.connections_needed
    used = f"{generator.mean_in_flight:.1f}" if generator.mean_in_flight is not None else "an unknown number"
    queued = (
        f", and {generator.mean_queued:.1f} requests waited on average"
        if generator.mean_queued is not None
        else ""
    )
    if have is not None and need is not None and need > have:
        advice = (
            f"At this service time {need:,} connections would carry the rate. If the service time grows with"
            " them, the path is full, and what it answered per second is what it carries."
        )
    else:
        advice = "The connections are enough on average: look for moments in which the path stalled."
    return RunWarning(
        code="path-limited",
        message=f"Requests waited for a free connection: {name} of the wait {value:,} µs; {used} of"
        f" {'an unknown number of' if have is None else have} connections were in use on average{queued}.",
        advice=advice,
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
            code=GENERATOR_FULL,
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


def _littles_law(generator: GeneratorResult, samples: int | None, edge_share: float) -> RunWarning | None:
    """Mean requests in the system must be throughput times mean time in it (Little, Oper. Res. 9, 1961, 383).

    The system is queue and connections together, or the connections alone where the queue is not known. The
    number in it varies like a Poisson count, so the mean of n samples has a relative standard error of about
    1/sqrt(n × mean): three of these, and never below 2 %, are allowed; with n unknown 10 %. What crosses the
    edges of a stage is in one of the two figures only: that is allowed on top.
    """
    measured, expected = generator.mean_in_flight, generator.little_in_flight
    if measured is None or expected is None or expected <= 0:
        return None
    where = "in flight"
    if generator.mean_queued is not None and generator.little_queued is not None:
        measured += generator.mean_queued
        expected += generator.little_queued
        where = "waiting or in flight"
    allowed = 0.10 if samples is None else max(0.02, 3 / math.sqrt(max(samples, 1) * expected))
    allowed += edge_share
    off = measured / expected - 1
    if abs(off) <= allowed:
        return None
    return RunWarning(
        code="littles-law",
        message=f"{measured:.3g} requests were {where} on average, Little's law says {expected:.3g}"
        f" ({off:+.0%}, allowed ±{allowed:.0%}).",
        advice="Clocks and counters contradict each other: do not trust service times of this run.",
    )


FEW_DUE = 10
"""With fewer requests a subset has no percentile, and a share of its answers says nothing."""


def judge_weights(subsets: Iterable[SubsetResult]) -> tuple[RunWarning, ...]:
    """Did the weights leave each subset enough requests to say something about it?"""
    return tuple(
        RunWarning(
            code="subset-starved",
            message=f"{subset.name}: {subset.due:,} requests were due in all measured stages.",
            advice="Its weight starves it: raise its weight, the rate or the time, or leave it out.",
        )
        for subset in subsets
        if subset.due < FEW_DUE
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
