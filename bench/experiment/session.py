"""The parts of a run on its stacks: verification, steady blocks, handshakes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.analysis.handshake import doubts
from bench.certs.keys import KeysAhead
from bench.certs.material import Material
from bench.errors import BenchError, MeasurementError
from bench.experiment.handshake import handshake_plans, handshake_result, handshake_variations, read_mode
from bench.experiment.steady import steady_plans
from bench.load.run.locust_outputs import NO_SURFACE, Surface
from bench.load.run.null_target import measure_floor
from bench.measure.bookkeeper import Bookkeeper
from bench.measure.request_matching import GATEWAY_LOG, SIDECAR_LOG, Matcher
from bench.measure.run_record import Journal
from bench.measure.topology import topology_of
from bench.measure.trial import Trial, TrialPlan, load_plan, run_trial, stack_target
from bench.observer import Observer
from bench.preparation import Prepared, Variation
from bench.report.folder import slug
from bench.result import HANDSHAKE_KINDS, LedgerLevel, VerificationLine
from bench.scenario.traffic import mean_rate
from bench.stack import Stack
from bench.stack.artifacts import save_config, save_logs
from bench.stack.backend import Backend
from bench.stack.nodes import FLUSH_INTERVAL_S
from bench.telemetry.access_log import wait_until_flushed
from bench.translate.config import ConfigSource
from bench.verify.matrix import MatrixCheck
from bench.verify.tls_controls import verify_gateway
from bench.verify.walkthrough import Identities, path_requests, verify

AROUND_TRIAL_S = 2.0
"""Start and end of the generator around a trial; for the progress bar only."""
FLOOR_S = 5.0
_MIXED_SHARE = 0.1
_SOURCES: tuple[ConfigSource, ...] = ("static", "eds")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says of a run."""

    out: Path
    """Where the result folder is made."""
    command: str
    """As typed, for the report."""
    backend: Backend
    began: float = field(default_factory=time.monotonic)
    """When the command began, on the monotonic clock: what the first verified request is timed from."""
    keys: KeysAhead | None = None
    """Keys for the certificates that are being made since then."""
    with_handshake: bool = True
    mix_matrix: bool = False
    """Let a tenth of the steady trials' requests be those of the request matrix."""
    ledger: LedgerLevel = "counters"
    """Level of the accounts of the steady trials; those of handshakes are kept at level ``counters``."""
    surface: Surface = NO_SURFACE
    """What Locust itself shows and writes, for each trial."""


class WrongPathError(BenchError):
    """The path does not lead where the scenario says."""


@dataclass(frozen=True, slots=True)
class Session:
    """The parts of one run that need the same five things."""

    prepared: Prepared
    options: RunOptions
    journal: Journal
    observer: Observer
    material: Material

    @property
    def _logs(self) -> Path:
        return self.journal.folder / "logs"

    def steady(self) -> None:
        """Static against EDS at the scenario's own rate, in interleaved blocks."""
        scenario = self.prepared.loaded.scenario
        with ExitStack() as running:
            is_full = self.options.ledger == "full"
            logging = Variation(access_log=GATEWAY_LOG, sidecar_access_log=SIDECAR_LOG)
            variation = logging if is_full else Variation()
            # Each is verified as soon as it stands, the controls come last: who waits for a first answer, or
            # for the news that the path is wrong, waits for nothing else.
            stacks: dict[str, Stack] = {}
            for source in _SOURCES:
                stacks[source] = self._start(running, source, source, variation)
                self._verify(source, stacks[source])
            if all(line.passed for line in self.journal.verification):
                with ExitStack() as aside:
                    self._verify_gateway(aside)
            self._require_right_path()
            plans = self._mixed(steady_plans(scenario.traffic), stacks)
            self._floor(stacks[plans[0][0]], plans[0][1])
            for source, plan in plans:
                self._trial(stacks, source, plan, is_full=is_full)
            for name, stack in stacks.items():
                save_logs(stack, self._logs / name, with_access_logs=False)

    def handshake(self) -> None:
        """New upstream connections, with full and with resumed handshakes, against kept ones."""
        scenario = self.prepared.loaded.scenario
        assert scenario.handshake is not None  # noqa: S101 - the caller asked
        with ExitStack() as running:
            stacks = {
                name: self._start(running, f"handshake-{name}", "static", variation)
                for name, variation in handshake_variations().items()
            }
            done: dict[str, list[Trial]] = {name: [] for name in stacks}
            for name, plan in handshake_plans(scenario.handshake):
                done[name].append(self._trial(stacks, name, plan))
            self.observer.stage("reading the handshakes", 1)
            self.journal.handshake = handshake_result(
                scenario.tls.key,
                [
                    read_mode(kind, stacks[kind], scenario.traffic.gateway, done[kind][0], done["kept"])
                    for kind in HANDSHAKE_KINDS
                ],
                done["kept"],
            )
            for warning in doubts(self.journal.handshake):
                self.journal.warnings.append(warning)
                self.observer.warning(warning)
            for name, stack in stacks.items():
                save_logs(stack, self._logs / f"handshake-{name}")
            self.journal.save()

    def _start(self, running: ExitStack, name: str, source: ConfigSource, variation: Variation) -> Stack:
        self.observer.stage(f"starting stack {name}", 1)
        stack = self.options.backend.make_stack(
            self.prepared.stack_spec(name, source, self.material, variation)
        )
        began = time.monotonic()
        running.enter_context(stack)
        self.journal.stack_ready_s[name] = time.monotonic() - began
        save_config(stack, self.journal.folder / "config" / name)
        return stack

    def _mixed(
        self, plans: Sequence[tuple[ConfigSource, TrialPlan]], stacks: Mapping[str, Stack]
    ) -> Sequence[tuple[ConfigSource, TrialPlan]]:
        """The plans with the request matrix mixed in, if that was asked for."""
        if not self.options.mix_matrix:
            return plans
        traffic = self.prepared.loaded.scenario.traffic
        weight = sum(subset.weight for subset in traffic.subsets.values()) * _MIXED_SHARE / (1 - _MIXED_SHARE)
        extra = MatrixCheck.of(self.prepared.loaded).mixable(
            stacks[plans[0][0]], port=traffic.port, weight=weight
        )
        return [(source, dataclasses.replace(plan, extra=extra)) for source, plan in plans]

    def _verify_gateway(self, running: ExitStack) -> None:
        """Let the gateway meet nodes with wrong certificates, on a stack that carries no load."""
        stack = self._start(running, "controls", "static", Variation())
        faults = self.options.backend.make_faults(stack)
        self.observer.stage("verifying what the gateway refuses", 2)
        lines = verify_gateway(stack, faults, self.prepared.loaded.scenario, self.material)
        self.journal.verification += [line.model_copy(update={"stack": "controls"}) for line in lines]

    def _verify(self, name: str, stack: Stack) -> None:
        """Call everything on one stack."""
        self.observer.stage(f"verifying the path on stack {name}, call by call", 1)
        lines = list(verify(stack, self.prepared.loaded.scenario, Identities.of(self.material)))
        self._note_first_verified(lines)
        lines += MatrixCheck.of(self.prepared.loaded).verify(stack)
        self.journal.verification += [line.model_copy(update={"stack": name}) for line in lines]
        wait_until_flushed(
            [part.access_log for part in stack.components() if part.access_log is not None],
            quiet_s=2 * FLUSH_INTERVAL_S,
        )
        save_logs(stack, self._logs / f"{name}-verification")

    def _note_first_verified(self, lines: Sequence[VerificationLine]) -> None:
        """Note when a request through the path had its right answer from a node for the first time."""
        through = {
            request.name for request in path_requests(self.prepared.loaded.scenario) if request.expect.nodes
        }
        if self.journal.first_verified_s is None and any(
            line.passed and line.name in through for line in lines
        ):
            self.journal.first_verified_s = time.monotonic() - self.options.began
            self.observer.note(f"first verified request after {self.journal.first_verified_s:.1f} s")

    def _require_right_path(self) -> None:
        """Stop the run if a call went wrong: load would measure nothing."""
        self.observer.verification(self.journal.verification)
        self.journal.save()
        wrong = [line for line in self.journal.verification if not line.passed]
        if wrong:
            raise WrongPathError(
                f"{len(wrong)} of {len(self.journal.verification)} verification calls were wrong, the first:"
                f" {wrong[0].name} ({wrong[0].stack}): expected {wrong[0].expected}, got {wrong[0].got}.",
                remedy="No load was sent. Correct the Istio YAML, or the expectation in scenario.yaml.",
            )

    def _floor(self, stack: Stack, plan: TrialPlan) -> None:
        """What the generator alone adds to every latency: the same load on a stub that answers at once."""
        self.observer.stage("measuring the generator against a stub", FLOOR_S)
        scenario = self.prepared.loaded.scenario
        load = load_plan(scenario, plan, stack_target(stack, scenario), self.run_id)
        self.journal.floor = measure_floor(
            load, self._logs / "generator" / "floor", launcher=stack.client(scenario.traffic.client)
        )

    @property
    def run_id(self) -> str:
        """Of the next trial's requests: unique within the logs of a stack."""
        return f"{self.journal.run_id}.{len(self.journal.trials)}"

    def _trial(
        self, stacks: Mapping[str, Stack], name: str, plan: TrialPlan, *, is_full: bool = False
    ) -> Trial:
        stack = stacks[name]
        scenario = self.prepared.loaded.scenario
        rate = mean_rate(plan.schedule)
        speed = f"{rate:g} requests/s" if rate is not None else "as fast as answers come"
        self.observer.stage(
            f"{plan.name}, {speed}", scenario.traffic.warm_up_s + plan.measure_s + AROUND_TRIAL_S
        )
        topology = topology_of(self.prepared, plan.config_source or "static")
        trial = run_trial(
            stack,
            scenario,
            plan,
            run_id=self.run_id,
            folder=self._logs / "generator" / slug(plan.name),
            bookkeeper=Bookkeeper(stack, topology, Matcher.of(topology, self.material) if is_full else None),
            surface=self.options.surface.for_trial(slug(plan.name)),
            beside=[other for each, other in stacks.items() if each != name],
        )
        self.journal.add_trial(trial)
        if not trial.outcome.complete:
            raise MeasurementError(
                f"{plan.name}: the load ended early: {trial.outcome.reason}.",
                remedy=f"What was measured is in {self.journal.folder}.",
            )
        return trial
