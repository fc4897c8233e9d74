"""Trials of a search on a real stack: one load with a stage for each of them, and readings around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis.capacity import Purpose, TimeLimit, Trial, Try, lost
from bench.analysis.capacity.constraint import GENERATOR_FULL
from bench.errors import MeasurementError
from bench.experiment.capacity.pressure import Pressure
from bench.experiment.run_context import RunContext
from bench.experiment.watched_load import run_watched
from bench.load import (
    LoadOutcome,
    LoadPlan,
    RequestKind,
    Stage,
    StageOutcome,
)
from bench.measure import (
    Reading,
    StackMeter,
    Topology,
    TrialPlan,
    carried_by_role,
    load_plan,
    stack_target,
    topology_of,
)
from bench.result import Counts, PortsTaken
from bench.result.capacity import CapacityTrial, CapacityWindow
from bench.scenario import Constant, Schedule, mean_rate, scaled
from bench.stack import Stack
from bench.translate import ConfigSource

WARM_UP_S = 0.3
_DRAIN_S = 1.0
_QUEUE_S = 1.0
"""So much of the load may wait for a connection: what waits longer is lost by any limit."""
_SOAK_WINDOW_S = 1.0


@dataclass(slots=True)
class Trials:
    """Makes the trials of one search."""

    run: RunContext
    stack: Stack
    source: ConfigSource
    limits: Sequence[TimeLimit]
    goal_loss: float
    meter: StackMeter
    read_pressure: Callable[[Stack], Mapping[str, Pressure]]
    windows: list[CapacityWindow] = field(default_factory=list)
    misrouted: int = 0
    """Over all stages so far."""
    loads: int = 0
    prefix: str = ""
    """Of the loads' numbers: unique for each stack."""
    connections: int = field(init=False)
    """Of the client: those of the scenario until they are all that limits."""
    topology: Topology = field(init=False)

    def __post_init__(self) -> None:
        self.topology = topology_of(self.run.prepared, self.source)
        self.connections = self.run.scenario.traffic.connections.count

    def make(self, steps: Sequence[Try]) -> tuple[list[Trial], list[CapacityTrial]]:
        """Make the trials of *steps*, which have one load, in one go: for the search and for the result.

        Raises:
            MeasurementError: the load ended early.
            StackError, LoadError: a part or the generator did not do what it must.
        """
        measured, window = self._drive(self._plan(steps), steps[0].load)
        self.windows.append(window)
        limited = (window.generator_share or 0.0) >= GENERATOR_FULL
        if steps[0].purpose is Purpose.SOAK:
            return self._soak(steps[0], measured, limited=limited)
        return self._each(steps, measured, limited=limited)

    def plan_seconds(self, rate: float, count: int) -> LoadPlan:
        """A load at *rate* whose measured part is *count* stages of one second: ``second 1`` and so on."""
        load = self._plan([Try(rate, 1.0, Purpose.START, 0)])
        warm_up, first = load.stages
        seconds = (first.model_copy(update={"name": f"second {n}"}) for n in range(1, count + 1))
        return load.model_copy(update={"stages": (warm_up, *seconds)})

    def measure_stages(self, rate: float, seconds: float) -> list[StageOutcome]:
        """One load at *rate*: its measured stages. Errors as for ``make``."""
        return self._drive(self._plan([Try(rate, seconds, Purpose.START, 0)]), rate)[0]

    def measure(
        self, rate: float, seconds: float, body_bytes: int = 0, path: str | None = None
    ) -> CapacityWindow:
        """One load at *rate* for a cost model; each request carries a body of that size.

        With a *path* all requests are for that one, whose answer is not a page that is known.

        Raises:
            MeasurementError, StackError, LoadError: as for ``make``.
        """
        step = Try(rate, seconds, Purpose.START, 0)
        load = self._plan([step])
        if body_bytes:
            kinds = tuple(kind.model_copy(update={"body": b"x" * body_bytes}) for kind in load.requests)
            load = load.model_copy(update={"requests": kinds})
        if path is not None:
            load = load.model_copy(update={"requests": tuple(_of_path(each, path) for each in load.requests)})
        return self._drive(load, rate)[1]

    def _drive(self, load: LoadPlan, rate: float) -> tuple[list[StageOutcome], CapacityWindow]:
        """Put the load on the stack, with readings around its measured stages."""
        before = self.read_pressure(self.stack)
        name = load.run_id.rpartition(".")[2]
        outcome, readings = run_watched(self.run, self.stack, self.meter, load, name, each_stage=False)
        measured = _measured(outcome)
        if not outcome.complete or not measured or len(readings) < 2:
            raise MeasurementError(
                f"a load of {rate:g} requests/s ended early: {outcome.reason or 'why is unknown'}.",
                remedy=f"What was measured is in {self.run.record.folder}.",
            )
        self.misrouted += sum(part.counts.misrouted for stage in outcome.stages for part in stage.subsets)
        return measured, self._window(rate, load, outcome, readings, before)

    def _each(
        self, steps: Sequence[Try], measured: Sequence[StageOutcome], *, limited: bool
    ) -> tuple[list[Trial], list[CapacityTrial]]:
        made, reported = [], []
        for step, stage in zip(steps, measured, strict=True):
            loss = lost(stage.subsets, self.limits)
            is_bad = loss.share > self.goal_loss
            trial = Trial(
                step.load, step.duration_s, loss.share, step.purpose, step.target, limited and is_bad
            )
            made.append(trial)
            reported.append(
                CapacityTrial(
                    rate=step.load,
                    duration_s=step.duration_s,
                    purpose=step.purpose.value,
                    good=not is_bad,
                    why="the generator was at its own limit" if trial.generator_limited else loss.why,
                    loss=loss.share,
                    due=loss.due,
                    bad=loss.bad,
                    misrouted=loss.misrouted,
                    slow=loss.slow,
                    response_time_p50=loss.p50,
                    response_time_p99=loss.p99,
                    generator_limited=trial.generator_limited,
                    window=len(self.windows) - 1,
                )
            )
        return made, reported

    def _soak(
        self, step: Try, measured: Sequence[StageOutcome], *, limited: bool
    ) -> tuple[list[Trial], list[CapacityTrial]]:
        losses = [lost(stage.subsets, self.limits) for stage in measured]
        whole = lost([subset for stage in measured for subset in stage.subsets], self.limits)
        bad = sum(loss.share > self.goal_loss for loss in losses)
        trial = Trial(
            step.load,
            step.duration_s,
            whole.share,
            step.purpose,
            step.target,
            generator_limited=limited and bad > 0,
            windows=tuple(loss.share for loss in losses),
        )
        reported = CapacityTrial(
            rate=step.load,
            duration_s=step.duration_s,
            purpose=step.purpose.value,
            good=False,
            why=f"{len(losses) - bad} of {len(losses)} seconds within the limit; in all {whole.why}",
            loss=whole.share,
            due=whole.due,
            bad=whole.bad,
            misrouted=whole.misrouted,
            slow=whole.slow,
            response_time_p50=whole.p50,
            response_time_p99=whole.p99,
            generator_limited=trial.generator_limited,
            window=len(self.windows) - 1,
        )
        return [trial], [reported]

    def _plan(self, steps: Sequence[Try]) -> LoadPlan:
        scenario = self.run.scenario
        first = steps[0]
        run_id = f"{self.run.record.run_id}.{self.prefix}{self.loads}"
        self.loads += 1
        schedule = _at_rate(scenario.traffic.schedule, first.load)
        plan = TrialPlan(
            name=run_id,
            experiment="steady",
            config_source=self.source,
            schedule=schedule,
            measure_s=first.duration_s,
        )
        load = load_plan(scenario, plan, stack_target(self.stack, scenario), run_id)
        durations = [step.duration_s for step in steps]
        if first.purpose is Purpose.SOAK:
            seconds = max(1, round(first.duration_s / _SOAK_WINDOW_S))
            durations = [first.duration_s / seconds] * seconds
        warm_up = load.stages[0].model_copy(update={"duration_s": WARM_UP_S})
        measured = tuple(
            Stage(name=f"trial {number}", kind="measure", duration_s=seconds, schedule=schedule)
            for number, seconds in enumerate(durations, 1)
        )
        queue = max(self.connections, round(first.load * _QUEUE_S))
        return load.model_copy(
            update={
                "stages": (warm_up, *measured),
                "connections": load.connections.model_copy(
                    update={"count": self.connections, "queue_limit": queue}
                ),
                "drain_s": _DRAIN_S,
            }
        )

    def _window(
        self,
        rate: float,
        load: LoadPlan,
        outcome: LoadOutcome,
        readings: Sequence[Reading],
        before: Mapping[str, Pressure],
    ) -> CapacityWindow:
        first, last = readings
        after = self.read_pressure(self.stack)
        measured = _measured(outcome)
        counts = Counts.sum(subset.counts for stage in measured for subset in stage.subsets)
        seconds = sum(stage.duration_s for stage in measured)
        generator = outcome.generator
        tls = first.tls_until(last)
        by_role = carried_by_role(self.topology, load, _sent_by_kind(measured), first, last)
        exit_requests = tls.requests if tls is not None else None
        launcher = self.stack.client(self.run.scenario.traffic.client)
        gateway = after.get(self.run.scenario.traffic.exit)
        return CapacityWindow(
            rate=rate,
            duration_s=seconds,
            sent=counts.sent,
            read_s=last.at_s - first.at_s if last.at_s > first.at_s else None,
            costs=self.meter.costs(first, last, counts.sent, {}),
            generator_share=generator.cpu_seconds / seconds / generator.workers if seconds else None,
            machine=first.machine_until(last, generator.cpu_seconds if launcher else 0.0),
            new_upstream_connections=tls.connections if tls is not None else None,
            handshakes=tls.handshakes if tls is not None else None,
            sessions_reused=tls.resumed if tls is not None else None,
            # What a gateway passes on as bytes it counts by connections.
            upstream_requests=by_role["egress"].requests if "egress" in by_role else exit_requests,
            by_role=by_role,
            overflows=_rises(before, after, lambda state: state.refused),
            queued=_rises(before, after, lambda state: state.queued),
            connect_failures=_rises(before, after, lambda state: state.connect_failures),
            ports={
                name: PortsTaken(
                    address=f"{state.ports.remote[0]}:{state.ports.remote[1]}",
                    used=state.ports.used,
                    available=state.ports.available,
                )
                for name, state in after.items()
                if state.ports is not None
            },
            lanes=first.lanes_until(last),
            replica_requests=first.shares_until(last),
            memory=first.memory_until(last),
            worker_connections=gateway.worker_connections if gateway is not None else (),
            mean_in_flight=generator.mean_in_flight,
            reasons=counts.reasons,
        )


def _measured(outcome: LoadOutcome) -> list[StageOutcome]:
    return [stage for stage in outcome.stages if stage.kind == "measure"]


def _sent_by_kind(stages: Sequence[StageOutcome]) -> dict[str, int]:
    sent: dict[str, int] = {}
    for stage in stages:
        for subset in stage.subsets:
            sent[subset.name] = sent.get(subset.name, 0) + subset.counts.sent
    return sent


def _of_path(kind: RequestKind, path: str) -> RequestKind:
    """The same request for another file of the same node: status and node are checked, the body is not."""
    expect = kind.expect.model_copy(update={"body_sha256": {}, "body_contains": None})
    return kind.model_copy(update={"path": path, "expect": expect})


def _rises(
    before: Mapping[str, Pressure], after: Mapping[str, Pressure], figure: Callable[[Pressure], int]
) -> dict[str, int]:
    return {name: figure(state) - figure(before[name]) for name, state in after.items() if name in before}


def _at_rate(schedule: Schedule, rate: float) -> Schedule:
    """The scenario's kind of arrivals at another rate; a closed loop has none and becomes a constant one."""
    mean = mean_rate(schedule)
    return Constant(arrival_rate=rate) if mean is None else scaled(schedule, rate / mean)
