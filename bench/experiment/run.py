"""The main job: stacks up, calls verified, load in interleaved blocks, handshakes, result and report."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.certs.material import Material
from bench.environment import machine, versions
from bench.errors import BenchError, StackError
from bench.experiment.handshake import handshake_plans, handshake_result
from bench.experiment.journal import Journal
from bench.experiment.observer import Observer
from bench.experiment.preparation import Prepared, Variation, make_material, prepare
from bench.experiment.steady import steady_plans
from bench.experiment.trial import Trial, run_trial
from bench.experiment.verification import Identities, Identity, verify
from bench.report.build import write_report
from bench.report.folder import prepare_folder
from bench.report.keep import keep_stack
from bench.result import Fingerprint, Result, RunWarning
from bench.scenario.load import LoadedScenario
from bench.stack.binaries import Binary, find_envoy, find_nginx
from bench.stack.protocol import Stack, StackSpec
from bench.telemetry.handshake import GATEWAY_FIELDS
from bench.translate.config import ConfigSource

_TRIAL_OVERHEAD_S = 2.5
"""Start and end of the generator around a trial; for the progress bar only."""
_SOURCES: tuple[ConfigSource, ...] = ("static", "eds")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says of a run."""

    out: Path
    """Where the result folder is made."""
    command: str
    """As typed, for the report."""
    stack_kind: str
    make_stack: Callable[[StackSpec], Stack]
    with_handshake: bool = True


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over."""

    result: Result
    folder: Path
    report: Path | None


class InterruptedRunError(BenchError):
    """The user stopped the run; what was measured until then is kept."""


def run(loaded: LoadedScenario, options: RunOptions, observer: Observer) -> Finished:
    """Do the whole job for one scenario.

    Raises:
        InputError: the resources cannot be translated, the result folder cannot be written.
        StackError: a part is missing, refused its configuration or died.
        LoadError, MeasurementError: the load could not be driven or measured.
        InterruptedRunError: Ctrl-C or SIGTERM.
        Whatever is raised after the first trial, its result and report are on disk.
    """
    started_at = datetime.now(UTC)
    observer.plan(_planned_s(loaded, options))
    observer.stage("translating the Istio resources", 1)
    prepared = prepare(loaded)
    envoy, nginx = find_envoy(), find_nginx()
    run_id = secrets.token_hex(4)
    folder = prepare_folder(options.out, loaded.scenario.name, run_id, started_at)
    journal = Journal(
        folder=folder,
        run_id=run_id,
        loaded=loaded,
        command=options.command,
        started_at=started_at,
        fingerprint=_fingerprint(prepared, options, envoy, nginx),
    )
    for warning in prepared.warnings:
        journal.warnings.append(
            RunWarning(code=warning.code, message=f"{warning.where}: {warning.what}", advice=warning.advice)
        )
        observer.warning(journal.warnings[-1])
    journal.save()
    try:
        _measure(prepared, options, journal, observer)
    except KeyboardInterrupt:
        _keep_what_there_is(journal, "interrupted by the user")
        raise InterruptedRunError(
            "interrupted; everything is stopped.", remedy=f"What was measured is in {folder}."
        ) from None
    except BenchError as error:
        _keep_what_there_is(journal, str(error))
        raise
    observer.stage("writing the report", 3)
    return Finished(journal.complete(), folder, write_report(folder))


def _measure(prepared: Prepared, options: RunOptions, journal: Journal, observer: Observer) -> None:
    scenario = prepared.loaded.scenario
    with ExitStack() as cleanup:
        private = Path(tempfile.mkdtemp(prefix="egress-bench-keys-"))
        cleanup.callback(shutil.rmtree, private, ignore_errors=True)
        observer.stage(f"making certificates ({scenario.tls.key})", 2)
        material = make_material(prepared.loaded, private / "material")
        session = _Session(prepared, options, journal, observer, material)
        session.steady()
        if scenario.handshake is not None and options.with_handshake:
            session.handshake()


@dataclass(frozen=True, slots=True)
class _Session:
    """The parts of one run that need the same five things."""

    prepared: Prepared
    options: RunOptions
    journal: Journal
    observer: Observer
    material: Material

    def steady(self) -> None:
        """Static against EDS at the scenario's own rate, in interleaved blocks."""
        scenario = self.prepared.loaded.scenario
        with ExitStack() as running:
            stacks: dict[str, Stack] = {
                source: self._start(running, source, source, Variation()) for source in _SOURCES
            }
            self._verify(stacks)
            plans = steady_plans(scenario.traffic)
            for plan in plans:
                self.observer.stage(
                    f"{plan.name}: {_rate(plan.schedule)}", plan.measure_s + scenario.traffic.warm_up_s + 2.5
                )
                self.journal.add_trial(self._trial(stacks[plan.config_source], plan))

    def handshake(self) -> None:
        """A new upstream connection for each request against connections that are kept."""
        scenario = self.prepared.loaded.scenario
        assert scenario.handshake is not None  # noqa: S101 - the caller asked
        with ExitStack() as running:
            variations = {
                "kept": Variation(access_log=GATEWAY_FIELDS),
                "new": Variation(access_log=GATEWAY_FIELDS, max_requests_per_connection=1),
            }
            stacks = {
                name: self._start(running, f"handshake-{name}", "static", variation)
                for name, variation in variations.items()
            }
            done: dict[str, list[Trial]] = {"kept": [], "new": []}
            for name, plan in handshake_plans(scenario.handshake):
                self.observer.stage(
                    f"TLS handshakes, {plan.name}", plan.measure_s + scenario.traffic.warm_up_s + 2.5
                )
                trial = self._trial(stacks[name], plan)
                done[name].append(trial)
                self.journal.add_trial(trial)
            self.journal.handshake = handshake_result(
                scenario.tls.key, stacks["new"], scenario.traffic.gateway, done["new"][0], done["kept"]
            )
            self.journal.save()
