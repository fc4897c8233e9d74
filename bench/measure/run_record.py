"""What a run has brought so far: the result grows by each trial and is on disk before the next one starts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.analysis.compare import comparisons_of
from bench.analysis.generator_health import judge_delivery, judge_generator, little_in_flight
from bench.analysis.latency import merge, summarise
from bench.analysis.limits import check_limits
from bench.analysis.subsets import combine, judge_balance
from bench.load.outcome import LoadOutcome
from bench.measure.trial import Trial
from bench.report.folder import prepare_folder
from bench.report.samples import write_samples
from bench.result import (
    FailureExample,
    FaultsResult,
    Fingerprint,
    GeneratorResult,
    HandshakeResult,
    Latency,
    Result,
    RunWarning,
    SubsetOutcome,
    SubsetResult,
    VerificationLine,
    write_result,
)
from bench.scenario.load import LoadedScenario
from bench.units import format_micros

_CUT_OFF = "the run ended before its time and could not say why"


@dataclass(slots=True)
class Journal:
    """The run so far. Each change that matters is saved with state ``aborted`` until :meth:`complete`."""

    folder: Path
    run_id: str
    loaded: LoadedScenario
    command: str
    started_at: datetime
    fingerprint: Fingerprint
    stack_ready_s: dict[str, float] = field(default_factory=dict)
    first_verified_s: float | None = None
    verification: list[VerificationLine] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    floor: LoadOutcome | None = None
    handshake: HandshakeResult | None = None
    faults: FaultsResult | None = None
    warnings: list[RunWarning] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        loaded: LoadedScenario,
        *,
        out: Path,
        command: str,
        fingerprint: Fingerprint,
        started_at: datetime,
        name: str | None = None,
    ) -> Journal:
        """Begin a result folder below *out*, under *name* (default: the scenario's), and a journal in it.

        Raises:
            InputError: the folder cannot be made.
        """
        run_id = secrets.token_hex(4)
        folder = prepare_folder(out, name or loaded.scenario.name, run_id, started_at)
        journal = cls(folder, run_id, loaded, command, started_at, fingerprint)
        journal.save()
        return journal

    @property
    def has_findings(self) -> bool:
        """Whether there is something to report."""
        return bool(self.trials) or (
            self.faults is not None and bool(self.faults.faults or self.faults.clean_runs)
        )

    def add_trial(self, trial: Trial) -> None:
        """Keep a trial: samples and result are on disk when this returns.

        Raises:
            InputError: the disk is full or the folder was taken away.
        """
        write_samples(self.folder, trial.result, trial.subsets, trial.seconds)
        self.trials.append(trial)
        self.save()

    def save(self) -> None:
        """Write what there is, as that of a run that was cut off: true until it is written anew."""
        self.write(self.result(state="aborted", reason=_CUT_OFF))

    def write(self, result: Result) -> None:
        """Write *result* in place of what was written before."""
        write_result(self.folder, result)

    def complete(self) -> Result:
        """The result of a run that came to its end; written."""
        result = self.result(state="complete", reason=None)
        self.write(result)
        return result

    def abort(self, reason: str) -> Result:
        """The result of a run that was stopped; written."""
        result = self.result(state="aborted", reason=reason)
        self.write(result)
        return result

    def result(self, *, state: str, reason: str | None) -> Result:
        """Everything so far, with what follows from it."""
        now = datetime.now(UTC)
        scenario = self.loaded.scenario
        steady = [trial for trial in self.trials if trial.result.experiment == "steady"]
        totals = _totals(steady)
        generator = _generator(steady, self.floor)
        readings = [trial.readings for trial in self.trials if trial.readings is not None]
        peaks = [reading.peak_memory_bytes for reading in readings if reading.peak_memory_bytes is not None]
        return Result(
            run_id=self.run_id,
            scenario=scenario.name,
            description=scenario.description,
            semantics=scenario.inventory.semantics,
            started_at=self.started_at.isoformat(timespec="seconds"),
            finished_at=now.isoformat(timespec="seconds") if state == "complete" else None,
            command=self.command,
            state="complete" if state == "complete" else "aborted",
            reason=reason,
            fingerprint=self.fingerprint,
            stack_ready_s=self.stack_ready_s,
            first_verified_s=self.first_verified_s,
            verification=tuple(self.verification),
            trials=tuple(trial.result for trial in self.trials),
            totals=totals,
            comparisons=comparisons_of([trial.result for trial in self.trials]),
            handshake=self.handshake,
            faults=self.faults,
            generator=generator,
            limits=check_limits(
                scenario.limits.model_dump(), totals[-1], where=str(self.loaded.position("limits"))
            )
            if totals
            else (),
            warnings=(*self.warnings, *_warnings(self.trials, totals, generator)),
            examples=_first_of_each_kind(steady),
            peak_memory_bytes=max(peaks, default=None),
            duration_s=(now - self.started_at).total_seconds(),
        )


def _totals(trials: Iterable[Trial]) -> tuple[SubsetResult, ...]:
    by_subset: dict[str, list[SubsetOutcome]] = {}
    for trial in trials:
        for subset in trial.subsets:
            by_subset.setdefault(subset.name, []).append(subset)
    if not by_subset:
        return ()
    everything = [part for parts in by_subset.values() for part in parts]
    return (*(combine(name, parts) for name, parts in by_subset.items()), combine("all", everything))


def _generator(trials: list[Trial], floor: LoadOutcome | None) -> GeneratorResult | None:
    """The generator over all measured stages of the steady trials."""
    if not trials:
        return None
    parts = [trial.outcome.generator for trial in trials]
    requests = sum(part.requests for part in parts)
    cpu = sum(part.cpu_seconds for part in parts)
    wall = sum(trial.result.duration_s for trial in trials)
    workers = max(part.workers for part in parts)
    in_flight = [part.mean_in_flight for part in parts]
    return GeneratorResult(
        cpu_us_per_request=cpu * 1e6 / requests if requests else None,
        cpu_share=cpu / (wall * workers) if wall else None,
        lag=summarise(merge(subset.lag for trial in trials for subset in trial.subsets)),
        connects=sum(part.connects for part in parts),
        workers=workers,
        mean_in_flight=_weighted(in_flight, [trial.result.duration_s for trial in trials]),
        little_in_flight=_weighted(
            [
                little_in_flight(
                    trial.result.total.answered,
                    trial.result.duration_s,
                    trial.result.total.service_time.mean,
                )
                for trial in trials
            ],
            [trial.result.duration_s for trial in trials],
        ),
        floor=_floor(floor),
        involuntary_context_switches=_sum(part.involuntary_context_switches for part in parts),
        reconnects=sum(part.reconnects for part in parts),
    )


def _in_flight_samples(trials: Sequence[Trial]) -> int | None:
    return _sum(
        trial.outcome.generator.in_flight_samples for trial in trials if trial.result.experiment == "steady"
    )


def _floor(outcome: LoadOutcome | None) -> Latency | None:
    if outcome is None:
        return None
    subsets = [subset for stage in outcome.stages if stage.kind == "measure" for subset in stage.subsets]
    return summarise(merge(subset.response_time for subset in subsets))


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


def _warnings(
    trials: list[Trial], totals: tuple[SubsetResult, ...], generator: GeneratorResult | None
) -> tuple[RunWarning, ...]:
    found: list[RunWarning] = []
    if generator is not None:
        found += judge_generator(generator, in_flight_samples=_in_flight_samples(trials))
    if totals:
        found += judge_delivery(totals[-1])
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
            advice="Its requests up to then are counted or stand as unsent; repeat the run.",
        )
    if not trial.outcome.complete:
        yield RunWarning(
            code="load-cut-short",
            message=f"{trial.result.name}: the load ended early: {trial.outcome.reason or 'why is unknown'}.",
            advice="Its counts hold what was due until then.",
        )
    total = trial.result.total
    bad = total.failed + total.misrouted + total.unsent
    if trial.result.experiment == "handshake" and bad:
        yield RunWarning(
            code="handshake-losses",
            message=f"{trial.result.name}: {bad:,} of {total.due:,} requests failed or were never sent"
            f" ({', '.join(total.reasons) or 'no reason known'}).",
            advice="The handshake figures leave them out; lower handshake.arrival_rate.",
        )


def _throttled(trial: Trial) -> Iterable[RunWarning]:
    """CPU limits that held a part back, beside the latency that they caused."""
    total = trial.result.total
    for cost in trial.result.costs:
        if not cost.throttled_periods:
            continue
        yield RunWarning(
            code="cpu-throttled",
            message=f"{trial.result.name}: the CPU limit of {cost.component} held it back in"
            f" {cost.throttled_periods:,} of {cost.cpu_periods:,} periods,"
            f" {cost.throttled_s or 0:.2f} s in all; response time"
            f" p50 {format_micros(total.response_time.p50)}, p99 {format_micros(total.response_time.p99)}.",
            advice="This latency is the limit's: raise it under resources to see the path's own.",
        )


def _first_of_each_kind(trials: list[Trial]) -> tuple[FailureExample, ...]:
    seen: dict[tuple[str, str], FailureExample] = {}
    for trial in trials:
        for example in trial.examples:
            seen.setdefault((example.subset, example.reason), example)
    return tuple(seen.values())
