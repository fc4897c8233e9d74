"""`egress-bench capacity`: one verified stack, short trials until the bounds meet, then what limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from bench.analysis.capacity import progress
from bench.errors import MeasurementError
from bench.experiment.capacity.costs import measure_costs, planned_costs_s
from bench.experiment.capacity.curve import CURVE_S, note_curve
from bench.experiment.capacity.design import DESIGNS
from bench.experiment.capacity.killed import note_killed_replica
from bench.experiment.capacity.pressure import Pressure, read_pressure
from bench.experiment.capacity.scaling import check_sizes, measure_scaling
from bench.experiment.capacity.searching import empty_result, search
from bench.experiment.capacity.settings import CapacityOptions, goal_of, limits_of
from bench.experiment.capacity.trials import Trials
from bench.experiment.instruments import REAL, Instruments
from bench.experiment.options import RunOptions
from bench.experiment.run_context import RunContext
from bench.experiment.verification import WrongPathError, require_right_path, verify_stack
from bench.load.run import LoadGenerator
from bench.measure import Finished, RunRecord, fingerprint_of, kept, way_of
from bench.observer import Observer
from bench.preparation import make_material, prepare
from bench.result import CapacityResult, ScalingResult
from bench.scenario.load import LoadedScenario
from bench.stack import Stack
from bench.stack.artifacts import save_logs
from bench.stack.runs import supervised_folder

_PREPARATION_S = 8.0
_REPORT_S = 2.0

PressureReader = Callable[[Stack], Mapping[str, Pressure]]


def find_capacity(
    loaded: LoadedScenario,
    options: CapacityOptions,
    observer: Observer,
    *,
    instruments: Instruments | None = None,
    read_pressure: PressureReader = read_pressure,
    rest: Callable[[float], None] = time.sleep,
) -> Finished:
    """Find the highest arrival rate that meets the scenario's limits.

    Args:
        loaded: the scenario.
        options: what the command line says.
        observer: whom to inform.
        instruments: None: the real ones, with one generator for all trials.
        read_pressure: asks the proxies what they refused.
        rest: waits for seconds.

    Raises:
        InputError: there is no limit, no range, nothing to scale over, or the resources cannot be translated.
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed; the trials until
            then are on disk.
        InterruptedRunError: Ctrl-C or SIGTERM: the trials until then are on disk, too.
    """
    limits = limits_of(loaded, options.p99_ms)
    goal = goal_of(loaded, options, limits)
    if options.scaling is not None:
        check_sizes(*options.scaling)
    started_at = datetime.now(UTC)
    design = DESIGNS[options.design]
    model_s = planned_costs_s(design) if options.with_model else 0.0
    model_s += CURVE_S if options.with_curve else 0.0
    observer.plan(progress(goal, []).expected_s * 1.5 + model_s + _PREPARATION_S + _REPORT_S)
    observer.stage("translating the Istio resources", 1)
    prepared = prepare(loaded)
    record = RunRecord.open(
        loaded,
        out=options.out,
        command=options.command,
        fingerprint=fingerprint_of(prepared, options.backend.kind, options.backend.versions()),
        started_at=started_at,
        name=f"{loaded.scenario.name}-capacity",
    )
    record.capacity = empty_result(goal, limits, options.config_source)
    record.save()
    report = (instruments or REAL).write_report
    with kept(record, write_report=report):
        # One generator for all trials: to start it again for each takes longer than the trial.
        generator = LoadGenerator(record.folder / "logs" / "generator")
        tools = instruments or replace(REAL, run_load=generator.run_load)
        with supervised_folder(f"{loaded.scenario.name} keys") as private:
            observer.stage(f"making certificates ({loaded.scenario.tls.key})", 2)
            material = make_material(loaded, private / "material")
            record.way = way_of(prepared, material)
            context = RunContext(
                prepared,
                RunOptions(out=options.out, command=options.command, backend=options.backend),
                record,
                observer,
                material,
                tools.make_verifier(prepared, material),
                tools,
            )
            try:
                with ExitStack() as stacks:
                    stack = context.start_stack(stacks, options.config_source, options.config_source)
                    # Its processes may run beside the client's proxy: they end before that does.
                    stacks.enter_context(generator)
                    verify_stack(context, options.config_source, stack)
                    require_right_path(context)
                    with tools.open_meter(
                        stack, loaded.scenario.traffic.exit, loaded.scenario.traffic.senders
                    ) as meter:
                        trials = Trials(
                            context, stack, options.config_source, limits, goal.loss, meter, read_pressure
                        )
                        search(goal, trials, rest)
                        if options.with_curve:
                            note_curve(trials)
                        if options.with_model:
                            measure_costs(context, stacks, trials, design)
                        # The last thing: the part that is started again is another process to the meter.
                        note_killed_replica(trials)
                    save_logs(stack, record.folder / "logs" / options.config_source, with_access_logs=False)
            except WrongPathError as error:
                return Finished(record.abort(str(error)), record.folder, report(record.folder))
        if options.scaling is not None:
            smaller = replace(options, out=record.folder / "scaling", quick=True, with_model=False)
            smaller = replace(smaller, with_curve=False, scaling=None, soak_s=0.0)

            def search_at(sized: LoadedScenario) -> CapacityResult:
                done = find_capacity(
                    sized, smaller, observer, instruments=instruments, read_pressure=read_pressure, rest=rest
                )
                if done.result.capacity is None:
                    raise MeasurementError(f"the search in {done.folder} found nothing.")
                return done.result.capacity

            _note_scaling(record, measure_scaling(*options.scaling, loaded, search_at))
    observer.stage("writing the report", _REPORT_S)
    return Finished(record.complete(), record.folder, report(record.folder))


def _note_scaling(record: RunRecord, scaling: ScalingResult) -> None:
    if record.capacity is not None:
        record.capacity = record.capacity.model_copy(update={"scaling": scaling})
        record.save()
