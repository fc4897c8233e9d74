"""What follows from all trials of a run together: totals, the generator's own figures, warnings, examples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.analysis.generator_health import (
    connections_needed,
    judge_delivery,
    judge_generator,
    judge_weights,
    little_in_flight,
)
from bench.analysis.latency import merge, summarise
from bench.analysis.machine import judge_machine
from bench.analysis.subsets import combine, judge_balance
from bench.load import LoadOutcome, StageOutcome
from bench.measure.trial_result import Trial
from bench.result import (
    Counts,
    FailureExample,
    GeneratorResult,
    Latency,
    Reason,
    RunWarning,
    SubsetOutcome,
    SubsetResult,
)
from bench.units import format_micros

_TIMELESS = 0.001
"""Share of requests whose time is not recorded, having no right answer, from which no law is judged."""


def totals_of(trials: Iterable[Trial]) -> tuple[SubsetResult, ...]:
    """Each subset over all *trials*, and the whole as the last; empty without trials."""
    by_subset: dict[str, list[SubsetOutcome]] = {}
    for trial in trials:
        for subset in trial.subsets:
            by_subset.setdefault(subset.name, []).append(subset)
    if not by_subset:
        return ()
    everything = [part for parts in by_subset.values() for part in parts]
    return (*(combine(name, parts) for name, parts in by_subset.items()), combine("all", everything))


def generator_of(trials: Sequence[Trial], baseline: LoadOutcome | None) -> GeneratorResult | None:
    """The generator over all measured stages of the steady trials."""
    trials = [trial for trial in trials if trial.result.duration_s]
    if not trials:
        return None
    parts = [trial.outcome.generator for trial in trials]
    requests = sum(part.requests for part in parts)
    cpu = sum(part.cpu_seconds for part in parts)
    wall = sum(trial.result.duration_s for trial in trials)
    workers = max(part.workers for part in parts)
    durations = [trial.result.duration_s for trial in trials]
    stages = [measured_stage(trial.outcome) for trial in trials]
    waited = summarise(merge(stage.waited for stage in stages if stage is not None and stage.waited))
    own_lag = summarise(merge(stage.own_lag for stage in stages if stage is not None and stage.own_lag))
    handshakes = summarise(merge(part.handshake_time for part in parts if part.handshake_time))
    first_bytes = summarise(merge(part.first_byte_time for part in parts if part.first_byte_time))
    return GeneratorResult(
        cpu_us_per_request=cpu * 1e6 / requests if requests else None,
        cpu_share=cpu / (wall * workers) if wall else None,
        lag=summarise(merge(subset.lag for trial in trials for subset in trial.subsets)),
        connects=sum(part.connects for part in parts),
        workers=workers,
        mean_in_flight=_weighted([part.mean_in_flight for part in parts], durations),
        little_in_flight=_weighted(
            [
                little_in_flight(
                    trial.result.total.answered,
                    trial.result.duration_s,
                    trial.result.total.service_time.mean,
                )
                for trial in trials
            ],
            durations,
        ),
        own_lag=own_lag if own_lag.samples else None,
        waited=waited if waited.samples else None,
        mean_queued=_weighted([part.mean_queued for part in parts], durations),
        little_queued=little_in_flight(sum(trial.result.total.sent for trial in trials), wall, waited.mean),
        connections=max((part.connections for part in parts if part.connections), default=None),
        connections_needed=max(filter(None, map(_connections_needed, trials)), default=None),
        null_target_baseline=_baseline(baseline),
        baseline_counts=_counts(baseline),
        involuntary_context_switches=_sum(part.involuntary_context_switches for part in parts),
        reconnects=sum(part.reconnects for part in parts),
        client_handshakes=handshakes.samples or None,
        client_handshake_time=handshakes if handshakes.samples else None,
        first_byte_time=first_bytes if first_bytes.samples else None,
        exchanges_per_s=first_bytes.samples / _whole_s(trials) if first_bytes.samples else None,
        received_bytes=_sum(part.received_bytes for part in parts),
    )


def _whole_s(trials: Sequence[Trial]) -> float:
    """Seconds of all stages: what is counted over them is not parted by stage."""
    return sum(stage.duration_s for trial in trials for stage in trial.outcome.stages)


def measured_stage(outcome: LoadOutcome) -> StageOutcome | None:
    """Its measured stage; None if it did not get there."""
    return next((stage for stage in outcome.stages if stage.kind == "measure"), None)


def _connections_needed(trial: Trial) -> int | None:
    rate = trial.result.arrival_rate
    return connections_needed(rate, trial.result.total.service_time.mean) if rate is not None else None


def _edge_share(trials: Sequence[Trial]) -> float:
    """How far Little's law may be off: what crosses a stage's edges, and what has no recorded time."""
    share = 0.0
    for trial in trials:
        total, duration_s = trial.result.total, trial.result.duration_s
        if trial.result.experiment != "steady" or not duration_s:
            continue
        if total.failed + total.misrouted > _TIMELESS * total.sent:
            return math.inf
        share = max(share, 2 * (total.response_time.maximum or 0) / 1e6 / duration_s)
    return share


def _in_flight_samples(trials: Sequence[Trial]) -> int | None:
    return _sum(
        trial.outcome.generator.in_flight_samples for trial in trials if trial.result.experiment == "steady"
    )


def _baseline(outcome: LoadOutcome | None) -> Latency | None:
    if outcome is None:
        return None
    subsets = [subset for stage in outcome.stages if stage.kind == "measure" for subset in stage.subsets]
    return summarise(merge(subset.response_time for subset in subsets))


def _counts(outcome: LoadOutcome | None) -> Counts | None:
    if outcome is None:
        return None
    return Counts.sum(subset.counts for stage in outcome.stages for subset in stage.subsets)


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum; None as soon as one value is unknown."""
    known = list(values)
    return sum(value for value in known if value is not None) if None not in known else None


def _weighted(values: list[float | None], weights: list[float]) -> float | None:
    """The mean of *values* by *weights*; None as soon as one of them is unknown."""
    known = [value for value in values if value is not None]
    if len(known) != len(values) or not known:
        return None
    return sum(value * weight for value, weight in zip(known, weights, strict=True)) / sum(weights)


def warnings_of(
    trials: Sequence[Trial], totals: tuple[SubsetResult, ...], generator: GeneratorResult | None
) -> tuple[RunWarning, ...]:
    """What a reader of these numbers must know, each once."""
    found: list[RunWarning] = []
    if generator is not None:
        found += judge_generator(
            generator, in_flight_samples=_in_flight_samples(trials), edge_share=_edge_share(trials)
        )
    if totals:
        found += judge_delivery(totals[-1])
        found += judge_weights(totals[:-1])
    found += judge_machine([trial.result for trial in trials if trial.result.experiment == "steady"])
    if generator is not None and generator.baseline_counts is not None and generator.baseline_counts.bad:
        found.append(
            RunWarning(
                code="baseline-losses",
                message=f"null-target baseline: {_losses(generator.baseline_counts)}.",
                advice="The generator fails on a target that answers at once: free the machine.",
            )
        )
    for trial in trials:
        for subset in trial.subsets:
            found += judge_balance(subset)
        found += _lost(trial)
        found += _throttled(trial)
    return tuple(dict.fromkeys(found))


def _lost(trial: Trial) -> Iterable[RunWarning]:
    for worker in trial.outcome.lost_workers:
        yield RunWarning(
            code="worker-lost",
            message=f"{trial.result.name}: a load worker vanished: {worker}.",
            advice="Its requests up to then are counted, or count as unsent; repeat the run.",
        )
    if not trial.outcome.complete:
        yield RunWarning(
            code="load-cut-short",
            message=f"{trial.result.name}: the load ended early: {trial.outcome.reason or 'why is unknown'}.",
            advice="Its counts hold what was due until then.",
        )
    for stage in trial.result.stages:
        if stage.kind == "measure" and trial.result.experiment == "steady":
            # In the totals, and judged by the limits.
            continue
        if stage.total.bad:
            is_warm_up = stage.kind == "warm_up"
            yield RunWarning(
                code="warm-up-losses" if is_warm_up else "handshake-losses",
                message=f"{trial.result.name}, {stage.name}: {_losses(stage.total)}.",
                advice="The figures leave the warm-up out; what happened in it, did happen."
                if is_warm_up
                else "The handshake figures leave them out; lower handshake.arrival_rate.",
            )


def _losses(counts: Counts) -> str:
    """How many did not get their right answer, and why."""
    why = ", ".join(f"{number:,} {Reason.of(key).text}" for key, number in counts.reasons.items())
    return (
        f"{counts.bad:,} of {counts.due:,} requests got no right answer: {counts.misrouted:,} misrouted,"
        f" {counts.failed:,} failed, {counts.unsent:,} never sent ({why or 'no reason known'})"
    )


def _throttled(trial: Trial) -> Iterable[RunWarning]:
    """CPU limits that held a part back, beside the latency that they caused."""
    total = trial.result.total
    for cost in trial.result.costs:
        if not cost.throttled_periods:
            continue
        yield RunWarning(
            code="cpu-throttled",
            message=f"{trial.result.name}: the CPU limit of {cost.component} throttled it in"
            f" {cost.throttled_periods:,} of {cost.cpu_periods:,} periods,"
            f" {cost.throttled_s or 0:.2f} s in all; response time"
            f" p50 {format_micros(total.response_time.p50)}, p99 {format_micros(total.response_time.p99)}.",
            advice="This latency is the limit's: raise it under resources to see the path's own.",
        )


def examples_of(trials: Sequence[Trial]) -> tuple[FailureExample, ...]:
    """The first request of each kind of failure."""
    seen: dict[tuple[str, str], FailureExample] = {}
    for trial in trials:
        for example in trial.examples:
            seen.setdefault((example.subset, example.reason), example)
    return tuple(seen.values())
