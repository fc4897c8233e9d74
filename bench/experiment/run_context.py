"""What the experiments of one run share, and what each of them does with a stack or a trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.certs import Material
from bench.errors import ControlPlaneLostError, MeasurementError
from bench.experiment.instruments import Instruments
from bench.experiment.options import RunOptions
from bench.load import LoadOutcome
from bench.measure import Ground, Matcher, RunRecord, Trial, TrialPlan, run_trial, topology_of
from bench.observer import Observer
from bench.preparation import Prepared, Variation
from bench.report import slug
from bench.result import Counts, RunWarning
from bench.scenario import Scenario, mean_rate
from bench.stack import Stack
from bench.stack.artifacts import save_config
from bench.translate import ConfigSource
from bench.verify.verifier import Verifying

LOST = "control-plane-lost"
"""Code of the warning that a control plane died while its proxies served."""
AROUND_TRIAL_S = 1.0
"""Start and end of the generator around a trial; for the progress bar only."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """Scenario, options, record and instruments of one run: passed to each experiment, owned by none."""

    prepared: Prepared
    options: RunOptions
    record: RunRecord
    observer: Observer
    material: Material
    verifier: Verifying
    instruments: Instruments

    @property
    def scenario(self) -> Scenario:
        """The scenario that is run."""
        return self.prepared.loaded.scenario

    def start_stack(
        self, running: ExitStack, name: str, source: ConfigSource, variation: Variation | None = None
    ) -> Stack:
        """Start a stack that stops with *running*; note how long it took, and keep what it runs with."""
        self.observer.stage(f"starting stack {name}", 1)
        stack = self.options.backend.make_stack(
            self.prepared.stack_spec(name, source, self.material, variation)
        )
        clock = self.instruments.clock
        began = clock()
        running.enter_context(stack)
        self.record.stack_ready_s[name] = clock() - began
        save_config(stack, self.record.folder / "config" / name)
        return stack

    def next_run_id(self) -> str:
        """Of the next trial's requests: unique within the logs of a stack."""
        return f"{self.record.run_id}.{len(self.record.trials)}"

    def run_trial(
        self, stacks: Mapping[str, Stack], name: str, plan: TrialPlan, *, is_matched: bool = False
    ) -> Trial:
        """Run a trial on the stack *name*, beside which the others are idle; it is kept when this returns.

        With *is_matched* its account has level ``full``.

        Raises:
            MeasurementError: the load ended early.
            StackError, LoadError: a part or the generator did not do what it must.
        """
        scenario, instruments = self.scenario, self.instruments
        rate = mean_rate(plan.schedule)
        speed = f"{rate:g} requests/s" if rate is not None else "as fast as answers come"
        self.observer.stage(
            f"{plan.name}, {speed}", scenario.traffic.warm_up_s + plan.measure_s + AROUND_TRIAL_S
        )
        with self.ground_of(stacks, name, plan, is_matched=is_matched) as ground:
            trial = run_trial(
                ground,
                scenario,
                plan,
                run_id=self.next_run_id(),
                folder=self.record.folder / "logs" / "generator" / slug(plan.name),
                locust_outputs=self.options.locust_outputs.for_trial(slug(plan.name)),
                run_load=instruments.run_load,
            )
        self.keep(trial, ground)
        self.require_whole(trial)
        return trial

    @contextmanager
    def ground_of(
        self, stacks: Mapping[str, Stack], name: str, plan: TrialPlan, *, is_matched: bool = False
    ) -> Iterator[Ground]:
        """Where a trial on the stack *name* takes place, beside which the others are idle."""
        stack, instruments = stacks[name], self.instruments
        topology = topology_of(self.prepared, plan.config_source or "static")
        matcher = Matcher.of_prepared(self.prepared, topology, self.material) if is_matched else None
        with instruments.open_meter(stack, self.scenario.traffic.exit) as meter:
            yield Ground(
                stacks,
                name,
                meter,
                instruments.keep_books(stack, topology, matcher),
                way=topology if plan.experiment == "steady" else None,
            )

    def keep(self, trial: Trial, ground: Ground, *, save: bool = True) -> None:
        """Keep a trial, as far as it came; warn of control planes that died under it.

        Not *save*: the result is on disk once a further trial has been kept.
        """
        if trial.result.stages:
            self.record.add_trial(trial, save=save)
        total = trial.result.total
        for lost, how in ground.lost.items():
            beside = "" if lost == ground.name else ", on another stack"
            seen = f"{total.answered:,} of {total.due:,} requests of that trial were answered{beside}"
            self.warn_of_lost(lost, how, f"in or before {trial.result.name}", seen)

    def require_whole(self, trial: Trial) -> None:
        """Raise what ended a trial before its time."""
        if trial.failure is not None:
            raise trial.failure
        if trial.result.aborted is not None:
            raise MeasurementError(
                f"{trial.result.name}: {trial.result.aborted}.",
                remedy=f"What was measured is in {self.record.folder}.",
            )

    def check_alive(self, stack: Stack, when: str, outcome: LoadOutcome | None = None) -> None:
        """Raise ``StackError`` if a part of *stack* has died; of a control plane alone it is warned.

        Args:
            stack: what is looked at.
            when: what was under way, for the warning.
            outcome: of the load that was; its answers say how the proxies serve on.
        """
        try:
            stack.check_alive()
        except ControlPlaneLostError as error:
            seen = "the load that follows shows how"
            if outcome is not None:
                counts = Counts.sum(each.counts for stage in outcome.stages for each in stage.subsets)
                seen = f"{counts.answered:,} of {counts.due:,} requests of that load were answered"
            self.warn_of_lost(stack.spec.name, error.how, when, seen)

    def warn_of_lost(self, name: str, how: str, when: str, seen: str) -> None:
        """Warn of a control plane that died, once for each stack.

        Args:
            name: its stack.
            how: it ended.
            when: what was under way.
            seen: what its proxies did since.
        """
        if name in self.record.lost_control_planes:
            return
        self.record.lost_control_planes.add(name)
        warning = RunWarning(
            code=LOST,
            message=f"The control plane of stack {name} {how} {when}. Its proxies keep serving what they"
            f" have: {seen}.",
            advice="A change of the configuration would no longer reach them.",
        )
        self.record.warn(warning, self.observer)
