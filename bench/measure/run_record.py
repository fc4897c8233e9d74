"""What a run has produced so far: the result grows by each trial and is on disk before the next one."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.analysis.compare import comparisons_of
from bench.analysis.limits import check_limits
from bench.analysis.silent_changes import judge_connections, judge_retries, retried
from bench.load import LoadOutcome
from bench.measure.kept_connections import lowest_requests_per_connection
from bench.measure.shares import ExpectedShares, expected_shares, judge_shares
from bench.measure.slow_shares import judge_slow_shares
from bench.measure.summary import examples_of, generator_of, totals_of, warnings_of
from bench.measure.traffic import traffic_of
from bench.measure.trial_result import Trial
from bench.observer import Observer
from bench.report import prepare_folder, write_samples, write_seconds
from bench.result import (
    CapacityResult,
    FaultsResult,
    Fingerprint,
    HandshakeResult,
    Result,
    RunEvent,
    RunWarning,
    SecondRow,
    TlsLab,
    UpdateResult,
    VariantsResult,
    VerificationLine,
    Way,
    write_result,
)
from bench.scenario.load import LoadedScenario

_CUT_OFF = "the run ended early without giving a reason"


@dataclass(slots=True)
class RunRecord:
    """The run so far. Each change that matters is saved with state ``aborted`` until :meth:`complete`."""

    folder: Path
    run_id: str
    loaded: LoadedScenario
    command: str
    started_at: datetime
    fingerprint: Fingerprint
    shares: Mapping[str, ExpectedShares] = field(default_factory=dict)
    """Of each subset that a weighted route divides, what each node must answer."""
    stack_ready_s: dict[str, float] = field(default_factory=dict)
    first_verified_s: float | None = None
    way: Way | None = None
    verification: list[VerificationLine] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    baseline: LoadOutcome | None = None
    handshake: HandshakeResult | None = None
    faults: FaultsResult | None = None
    capacity: CapacityResult | None = None
    variants: VariantsResult | None = None
    update: UpdateResult | None = None
    tls_lab: TlsLab | None = None
    events: list[RunEvent] = field(default_factory=list)
    warnings: list[RunWarning] = field(default_factory=list)
    lost_control_planes: set[str] = field(default_factory=set)
    """Stacks of which it is told already."""

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
    ) -> RunRecord:
        """Begin a result folder below *out*, under *name* (default: the scenario's), and a record in it.

        Raises:
            InputError: the folder cannot be made.
        """
        run_id = secrets.token_hex(4)
        folder = prepare_folder(out, name or loaded.scenario.name, run_id, started_at)
        record = cls(folder, run_id, loaded, command, started_at, fingerprint, expected_shares(loaded))
        record.save()
        return record

    def warn(self, warning: RunWarning, observer: Observer) -> None:
        """Keep a warning, and say it at once; it is on disk with the next save."""
        self.warnings.append(warning)
        observer.warning(warning)

    @property
    def has_findings(self) -> bool:
        """Whether there is something to report."""
        return (
            bool(self.trials)
            or (self.faults is not None and bool(self.faults.faults or self.faults.clean_runs))
            or (self.capacity is not None and bool(self.capacity.trials))
            or (self.update is not None and bool(self.update.sources))
            or (self.tls_lab is not None and self.tls_lab.has_findings)
        )

    def add_trial(self, trial: Trial, *, save: bool = True) -> None:
        """Keep a trial: samples and result are on disk when this returns.

        Not *save*: the samples alone, since further trials of the same load follow at once.

        Raises:
            InputError: the disk is full or the folder was taken away.
        """
        write_samples(self.folder, trial.result, trial.subsets, trial.seconds, trial.parts)
        if trial.result.aborted is not None:
            self.events.append(
                RunEvent(
                    trial=trial.result.name,
                    at_s=trial.result.duration_s,
                    kind="abort",
                    label=trial.result.aborted,
                )
            )
        self.trials.append(trial)
        if save:
            self.save()

    def add_load(self, seconds: Iterable[SecondRow], events: Iterable[RunEvent]) -> None:
        """Keep the seconds of a load that is no trial of its own, and what happened under it.

        Raises:
            InputError: the disk is full or the folder was taken away.
        """
        write_seconds(self.folder, seconds)
        self.events += events

    def save(self) -> None:
        """Write what there is, as that of a run that was cut off: true until it is written again."""
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
        totals = totals_of(steady)
        generator = generator_of(steady, self.baseline)
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
            traffic=traffic_of(scenario.traffic),
            way=self.way,
            trials=tuple(trial.result for trial in self.trials),
            totals=totals,
            shares=judge_shares(self.shares, totals),
            comparisons=comparisons_of(
                # A trial that was cut short has no equal to be compared with.
                [trial.result for trial in self.trials if trial.result.aborted is None]
            ),
            handshake=self.handshake,
            faults=self.faults,
            capacity=self.capacity,
            variants=self.variants,
            update=self.update,
            tls_lab=self.tls_lab,
            events=tuple(self.events),
            generator=generator,
            limits=check_limits(
                scenario.limits.model_dump(),
                totals[-1],
                retried=retried([trial.result for trial in steady]),
                where=str(self.loaded.position("limits")),
            )
            # Limits are of the scenario as it is; variants are there to be compared.
            if totals and self.variants is None
            else (),
            warnings=(
                *self.warnings,
                *warnings_of(self.trials, totals, generator),
                *judge_slow_shares(steady, self.baseline),
                *judge_retries([trial.result for trial in self.trials]),
                *judge_connections(
                    [trial.result for trial in steady],
                    requests_per_connection=lowest_requests_per_connection(self.loaded.resources),
                ),
            ),
            examples=examples_of(steady),
            peak_memory_bytes=max(peaks, default=None),
            duration_s=(now - self.started_at).total_seconds(),
        )
