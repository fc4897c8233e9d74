"""One trial: load on one running stack, with readings at the edges of its measured stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from bench.analysis.subsets import add_up, combine
from bench.errors import MeasurementError
from bench.load.events import LoadEvent, StageEnded, StageStarted
from bench.load.outcome import LoadOutcome, StageOutcome
from bench.load.plan import Expectation, LoadPlan, RequestKind, Stage, Target
from bench.load.run.locust_outputs import Surface
from bench.load.run.runner import run_load
from bench.measure.bookkeeper import Bookkeeper
from bench.measure.meter import Meter, Reading, UpstreamTls
from bench.report.samples import SecondRow
from bench.result import ComponentCost, FailureExample, LedgerResult, SubsetOutcome, TrialResult
from bench.scenario.models import Scenario, Subset, Traffic
from bench.scenario.traffic import Constant, Schedule, mean_rate
from bench.stack import Stack
from bench.telemetry.memory import MemorySampler
from bench.translate.config import ConfigSource
from bench.verify.walkthrough import client_address

Experiment = Literal["steady", "handshake"]


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """What one trial does, beside what the scenario says."""

    name: str
    experiment: Experiment
    config_source: ConfigSource | None
    """None where the configuration is not ours."""
    schedule: Schedule
    measure_s: float
    block: int = 1
    position: int = 1
    """Place within the block, from 1."""
    extra: tuple[RequestKind, ...] = ()
    """Requests mixed into the traffic; told together, under the name before their colon."""
    requires_id: bool = True
    """Whether an answer must echo the request's id; nodes that are not ours may not."""


@dataclass(frozen=True, slots=True)
class StackReadings:
    """What was read of the stack while it was under load."""

    costs: tuple[ComponentCost, ...]
    """Of the measured stage."""
    tls: UpstreamTls
    """What the gateway's clusters counted in the measured stage."""
    whole_tls: UpstreamTls
    """The same from before the warm-up until everything was answered."""
    measured_from_us: int
    """When the measured stage began, microseconds since the epoch, as access logs count."""
    peak_memory_bytes: int | None
    """Largest sum over all processes of the run."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial done: the result and what stands behind it."""

    result: TrialResult
    subsets: tuple[SubsetOutcome, ...]
    """The measured stage by subset."""
    seconds: tuple[SecondRow, ...]
    examples: tuple[FailureExample, ...]
    outcome: LoadOutcome
    readings: StackReadings | None
    """None where the path is not ours."""


def run_trial(
    stack: Stack,
    scenario: Scenario,
    plan: TrialPlan,
    *,
    run_id: str,
    folder: Path,
    bookkeeper: Bookkeeper | None = None,
    surface: Surface | None = None,
    beside: Sequence[Stack] = (),
) -> Trial:
    """Put load on *stack* and return what was measured; *folder* gets the generator's own files.

    With a *bookkeeper* the trial has its account; *surface* is what Locust itself shows and writes. The
    memory of the run is also that of the stacks *beside*.

    Raises:
        LoadError: the generator could not do its job.
        StackError: a part of the stack died.
        MeasurementError: the generator never reached the measured stage.
    """
    started_at = datetime.now(UTC)
    load = load_plan(scenario, plan, stack_target(stack, scenario), run_id)
    client = stack.client(scenario.traffic.client)
    edges: dict[str, Reading] = {}
    parts = {part.name: part.pid for part in stack.components()}
    containers = _containers_of([stack, *beside])
    with (
        Meter(stack, scenario.traffic.gateway) as meter,
        MemorySampler(parts, containers=containers or ()) as memory,
    ):

        def on_event(event: LoadEvent) -> None:
            match event:
                case StageStarted(kind="measure"):
                    edges["first"] = meter.read()
                case StageEnded(kind="measure"):
                    edges["last"] = meter.read()
                case _:
                    stack.check_alive()

        opening = bookkeeper.read() if bookkeeper is not None else None
        before = meter.read()
        outcome = run_load(load, folder, on_event=on_event, launcher=client, surface=surface)
        stack.check_alive()
        after = meter.read()
        memory.stop()
        measured = measured_stage(plan, outcome)
        if "first" not in edges or "last" not in edges:
            raise _cut_short(plan, outcome)
        first, last = edges["first"], edges["last"]
        readings = StackReadings(
            costs=meter.costs(first, last, sum(part.counts.sent for part in measured.subsets), memory.peaks),
            tls=first.tls_until(last),
            whole_tls=before.tls_until(after),
            measured_from_us=first.wall_us,
            # Without the containers it would be the memory of something else.
            peak_memory_bytes=memory.peak_bytes if containers is not None else None,
        )
    ledger = None
    if bookkeeper is not None and opening is not None:
        ledger = bookkeeper.close(opening, load, outcome)
    return finished_trial(plan, started_at, outcome, readings, ledger)


def _containers_of(stacks: Sequence[Stack]) -> list[int] | None:
    """First processes of all containers; None if some of them cannot be seen from here."""
    found: list[int] = []
    for stack in stacks:
        pids = stack.containers()
        if pids is None:
            return None
        found += pids
    return found


def measured_stage(plan: TrialPlan, outcome: LoadOutcome) -> StageOutcome:
    """The measured stage of a trial's load.

    Raises:
        MeasurementError: the load ended before it.
    """
    measured = next((stage for stage in outcome.stages if stage.kind == "measure"), None)
    if measured is None:
        raise _cut_short(plan, outcome)
    return measured


def _cut_short(plan: TrialPlan, outcome: LoadOutcome) -> MeasurementError:
    return MeasurementError(
        f"{plan.name}: the load ended before its measured stage was over"
        f"{f' ({outcome.reason})' if outcome.reason else ''}.",
        remedy="See the generator's output in the result folder's logs.",
    )


def finished_trial(
    plan: TrialPlan,
    started_at: datetime,
    outcome: LoadOutcome,
    readings: StackReadings | None = None,
    ledger: LedgerResult | None = None,
) -> Trial:
    """Put together what a trial brought; what was not read stays unknown."""
    measured = measured_stage(plan, outcome)
    subsets = _families(measured.subsets)
    return Trial(
        result=TrialResult(
            name=plan.name,
            experiment=plan.experiment,
            config_source=plan.config_source,
            block=plan.block,
            position=plan.position,
            started_at=started_at.isoformat(timespec="milliseconds"),
            duration_s=measured.duration_s,
            arrival_rate=_arrival_rate(measured),
            achieved_rate=sum(subset.counts.sent for subset in subsets) / measured.duration_s,
            subsets=tuple(combine(subset.name, [subset]) for subset in subsets),
            total=combine("all", subsets),
            costs=(*(readings.costs if readings is not None else ()), _generator_cost(outcome)),
            new_upstream_connections=readings.tls.connections if readings is not None else None,
            handshakes=readings.tls.handshakes if readings is not None else None,
            sessions_reused=readings.tls.resumed if readings is not None else None,
            ledger=ledger,
        ),
        subsets=subsets,
        seconds=_seconds(plan, outcome),
        examples=tuple(
            FailureExample(
                trial=plan.name,
                subset=example.subset,
                reason=example.reason,
                request=example.request,
                response=example.response,
            )
            for example in outcome.examples
        ),
        outcome=outcome,
        readings=readings,
    )


def _families(subsets: Sequence[SubsetOutcome]) -> tuple[SubsetOutcome, ...]:
    """Add up kinds of one family, ``matrix: …``: a table of subsets has no room for a whole matrix."""
    families: dict[str, list[SubsetOutcome]] = {}
    for subset in subsets:
        families.setdefault(subset.name.partition(":")[0], []).append(subset)
    return tuple(
        parts[0] if len(parts) == 1 and ":" not in parts[0].name else add_up(name, parts)
        for name, parts in families.items()
    )


def stack_target(stack: Stack, scenario: Scenario) -> Target:
    """Where the client beside the scenario's sidecar sends its requests."""
    traffic = scenario.traffic
    address, port = client_address(stack.component(traffic.client), traffic.port)
    return Target(address=address, port=port, host=traffic.host)


def load_plan(scenario: Scenario, plan: TrialPlan, target: Target, run_id: str) -> LoadPlan:
    """What the generator is asked to do in one trial."""
    traffic = scenario.traffic
    rate = mean_rate(plan.schedule)
    # A ramp or steps belong to the measured stage; the warm-up runs at their mean rate.
    warm_up = plan.schedule if rate is None else Constant(arrival_rate=rate)
    return LoadPlan(
        run_id=run_id,
        target=target,
        requests=(
            *(_kind(name, subset, traffic) for name, subset in traffic.subsets.items()),
            *plan.extra,
        ),
        stages=(
            Stage(name="warm-up", kind="warm_up", duration_s=traffic.warm_up_s, schedule=warm_up),
            Stage(name="measure", kind="measure", duration_s=plan.measure_s, schedule=plan.schedule),
        ),
        connections=traffic.connections,
        workers=traffic.workers,
        require_id=plan.requires_id,
    )


def _kind(name: str, subset: Subset, traffic: Traffic) -> RequestKind:
    return RequestKind(
        name=name,
        weight=subset.weight,
        method=subset.method,
        path=subset.path or traffic.path,
        headers=tuple(subset.headers.items()),
        body=subset.body,
        expect=Expectation(
            status=subset.expect.status,
            nodes=subset.expect.nodes,
            body_contains=subset.expect.body_contains,
        ),
    )


def _arrival_rate(stage: StageOutcome) -> float | None:
    return stage.intended / stage.duration_s if stage.open_loop else None


def _generator_cost(outcome: LoadOutcome) -> ComponentCost:
    generator = outcome.generator
    return ComponentCost(
        component="generator",
        role="generator",
        cpu_seconds=generator.cpu_seconds,
        cpu_us_per_request=generator.cpu_seconds * 1e6 / generator.requests if generator.requests else None,
        memory_bytes=None,
    )


def _seconds(plan: TrialPlan, outcome: LoadOutcome) -> tuple[SecondRow, ...]:
    kinds = {stage.name: stage.kind for stage in outcome.stages}
    return tuple(
        SecondRow(
            trial=plan.name,
            experiment=plan.experiment,
            stage=second.stage,
            kind=kinds[second.stage],
            second=second.second,
            due=second.due,
            answered=second.answered,
            bad=second.bad,
            response_time_p50=second.response_time_p50,
            response_time_max=second.response_time_max,
        )
        for second in outcome.seconds
    )
