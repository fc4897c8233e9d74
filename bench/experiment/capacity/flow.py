"""`egress-bench capacity`: one verified stack, short trials until the bounds meet, then what limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from bench.analysis.capacity import Capacity, Goal, Setup, Trial, Try, next_steps, progress
from bench.analysis.capacity.constraint import find_constraints, gateway_alone
from bench.experiment.capacity.costs import COSTS_S, measure_costs
from bench.experiment.capacity.pressure import Pressure, read_pressure
from bench.experiment.capacity.settings import CapacityOptions, goal_of, limits_of
from bench.experiment.capacity.trials import WARM_UP_S, Trials
from bench.experiment.instruments import REAL, Instruments
from bench.experiment.options import RunOptions
from bench.experiment.run_context import RunContext
from bench.experiment.verification import WrongPathError, require_right_path, verify_stack
from bench.load.run import LoadGenerator
from bench.measure import Finished, RunRecord, fingerprint_of, kept
from bench.observer import Observer
from bench.preparation import Prepared, make_material, prepare
from bench.result import CapacityResult, CapacityTrial
from bench.scenario.load import LoadedScenario
from bench.stack import Stack
from bench.stack.artifacts import save_logs
from bench.stack.runs import supervised_folder

_AROUND_LOAD_S = 0.5
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
        observer: whom to tell.
        instruments: None: the real ones, with one generator for all trials.
        read_pressure: asks the proxies what they refused.
        rest: waits for seconds.

    Raises:
        InputError: there is no limit, no range, or the resources cannot be translated.
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed; the trials until
            then are on disk.
        InterruptedRunError: Ctrl-C or SIGTERM, likewise.
    """
    limits = limits_of(loaded, options.p99_ms)
    goal = goal_of(loaded, options, limits)
    started_at = datetime.now(UTC)
    model_s = COSTS_S if options.with_model else 0.0
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
    record.capacity = CapacityResult(
        limit=" and ".join(str(limit) for limit in limits),
        config_source=options.config_source,
        lowest=goal.lowest,
        highest=goal.highest,
        width=goal.width,
    )
    record.save()
    report = (instruments or REAL).write_report
    with kept(record, write_report=report):
        # One generator for all trials: to start it anew for each takes longer than the trial.
        generator = LoadGenerator(record.folder / "logs" / "generator")
        tools = instruments or replace(REAL, run_load=generator.run_load)
        with supervised_folder(f"{loaded.scenario.name} keys") as private:
            observer.stage(f"making certificates ({loaded.scenario.tls.key})", 2)
            material = make_material(loaded, private / "material")
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
                    with tools.open_meter(stack, loaded.scenario.traffic.gateway) as meter:
                        trials = Trials(
                            context, stack, options.config_source, limits, goal.loss, meter, read_pressure
                        )
                        _search(goal, trials, record, observer, rest)
                        _conclude(prepared, trials, record, read_pressure(stack))
                        if options.with_model:
                            measure_costs(context, stacks, trials)
                    save_logs(stack, record.folder / "logs" / options.config_source, with_access_logs=False)
            except WrongPathError as error:
                return Finished(record.abort(str(error)), record.folder, report(record.folder))
    observer.stage("writing the report", _REPORT_S)
    return Finished(record.complete(), record.folder, report(record.folder))


def _search(
    goal: Goal, trials: Trials, record: RunRecord, observer: Observer, rest: Callable[[float], None]
) -> None:
    """Try until there is an answer; each load is on disk before the next one starts."""
    made: list[Trial] = []
    told: list[CapacityTrial] = []
    while not isinstance(steps := next_steps(goal, made), Capacity):
        observer.stage(
            _told(goal, made, steps), WARM_UP_S + sum(step.duration_s for step in steps) + _AROUND_LOAD_S
        )
        rest(steps[0].rest_s)
        new, for_result = trials.make(steps)
        for trial, line in zip(new, for_result, strict=True):
            made.append(trial)
            told.append(line.model_copy(update={"good": trial.is_good(goal)}))
        _keep(record, goal, made, told, trials)
    assert record.capacity is not None  # noqa: S101 - set before the search
    record.capacity = record.capacity.model_copy(
        update={
            "state": steps.state,
            "lower": steps.lower,
            "upper": steps.upper,
            "throughput": steps.throughput,
            "soaked": steps.soaked,
            "demoted": steps.demoted,
            "nearest_miss": told[-1].why if steps.state == "nothing good" and told else None,
        }
    )


def _keep(
    record: RunRecord,
    goal: Goal,
    made: list[Trial],
    told: list[CapacityTrial],
    trials: Trials,
) -> None:
    now = progress(goal, made)
    assert record.capacity is not None  # noqa: S101 - set before the search
    record.capacity = record.capacity.model_copy(
        update={
            "lower": now.lower,
            "upper": now.upper,
            "spent_s": now.spent_s,
            "trials": tuple(told),
            "windows": tuple(trials.windows),
            "misrouted": trials.misrouted,
        }
    )
    record.save()


def _told(goal: Goal, made: list[Trial], steps: tuple[Try, ...]) -> str:
    """What is being tried, the bounds so far, and what remains."""
    now = progress(goal, made)
    low = "?" if now.lower is None else f"{now.lower:,.0f}"
    high = "?" if now.upper is None else f"{now.upper:,.0f}"
    return (
        f"{steps[0].purpose.value}: {steps[0].load:,.0f} requests/s; between {low} and {high};"
        f" trials for about {now.expected_s:.0f} s more, at most {now.at_most_s:.0f} s"
    )


def _conclude(
    prepared: Prepared, trials: Trials, record: RunRecord, pressure: Mapping[str, Pressure]
) -> None:
    """Say what limits, from the load that was too high and nearest to the bound."""
    found = record.capacity
    assert found is not None  # noqa: S101 - set before the search
    scenario = prepared.loaded.scenario
    setup = Setup(
        workers={name: state.workers for name, state in pressure.items()},
        quotas=_quotas(prepared, trials.run.options.backend.holds_limits),
        connections=scenario.traffic.connections.count,
    )
    at_most = [trial for trial in found.trials if not trial.good and trial.rate == found.upper]
    windows = trials.windows
    overloaded = windows[at_most[-1].window] if at_most else None
    at_least = [trial for trial in found.trials if trial.good and trial.rate == found.lower]
    record.capacity = found.model_copy(
        update={
            "constraints": find_constraints(overloaded, setup) if overloaded is not None else (),
            "gateway_alone": gateway_alone(windows[at_least[-1].window], setup) if at_least else None,
        }
    )
    record.save()


def _quotas(prepared: Prepared, holds_limits: bool) -> dict[str, float]:
    """CPUs that each part is held to."""
    if not holds_limits:
        return {}
    scenario = prepared.loaded.scenario
    roles = {
        name: "sidecar" if proxy.role == "sidecar" else "egress"
        for name, proxy in scenario.inventory.proxies.items()
    } | dict.fromkeys(scenario.nodes, "node")
    found = {}
    for name, role in roles.items():
        limits = scenario.resources.get(name) or scenario.resources.get(role)
        if limits is not None and limits.cpus is not None:
            found[name] = limits.cpus
    return found
