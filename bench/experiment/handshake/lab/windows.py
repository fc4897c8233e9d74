"""Windows of load on a running stack: what the gateway counted and what each part used, read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from bench.analysis.tls import HandshakeWindow
from bench.errors import MeasurementError
from bench.experiment.run_context import RunContext
from bench.experiment.watched_load import run_all_watched, run_watched
from bench.load import LoadOutcome, LoadPlan, Stage
from bench.measure import (
    Reading,
    StackMeter,
    TrialPlan,
    in_turns,
    load_plan,
    share_of,
    stack_target,
)
from bench.result import End
from bench.scenario import Constant
from bench.stack import Stack
from bench.telemetry import difference, total

WARM_UP_S = 0.4
SHARED_WARM_UP_S = 0.2
"""Of each stack, where several take turns."""
SLICE_S = 0.03
"""Of a turn: some seven requests, so that few of them find caches that others have filled. In turns of 10 ms,
a handshake at the node took a fifth more CPU beside that of the direct client than in turns of 70 ms, whose
values scatter more."""
Name = TypeVar("Name", bound=str)
Part = Literal["sidecar", "gateway", "node"]
_ROLES: dict[Part, str] = {"sidecar": "sidecar", "gateway": "egress", "node": "node"}


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of constant load."""

    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two readings; all counts are the gateway's own, taken with the CPU."""

    seconds: float
    requests: int
    connections: int
    """That were opened."""
    ended: int
    """Connections that were closed."""
    handshakes: int
    resumed: int
    cpu_s: dict[Part, float]

    @property
    def full(self) -> int:
        """Handshakes that resumed no session."""
        return max(0, self.handshakes - self.resumed)

    def of(self, end: End, load: int = 0) -> HandshakeWindow:
        """The window as an equation of one end; *load*: which of the loads of its round it belongs to."""
        return HandshakeWindow(self.requests, self.full, self.resumed, self.cpu_s[end], load)


@dataclass(frozen=True, slots=True)
class Drive:
    """One load: its windows, and what the generator has to say."""

    windows: tuple[Window, ...]
    outcome: LoadOutcome
    measured_from_us: int
    """When the first window began, microseconds since the epoch."""

    @property
    def misrouted(self) -> int:
        """Over all its stages."""
        return sum(part.counts.misrouted for stage in self.outcome.stages for part in stage.subsets)


def plan_of(
    run: RunContext, stack: Stack, steps: Sequence[Step], *, warm_up_s: float = WARM_UP_S
) -> LoadPlan:
    """The scenario's own traffic in *steps*, after a warm-up at the rate of the first."""
    first = Constant(arrival_rate=steps[0].rate)
    trial = TrialPlan(
        name="lab",
        experiment="handshake",
        config_source=run.options.other_source,
        schedule=first,
        measure_s=steps[0].seconds,
    )
    plan = load_plan(run.scenario, trial, stack_target(stack, run.scenario), run.next_run_id())
    stages = [Stage(name="warm-up", kind="warm_up", duration_s=warm_up_s, schedule=first)]
    stages += [
        Stage(
            name=f"measure-{number}",
            kind="measure",
            duration_s=step.seconds,
            schedule=Constant(arrival_rate=step.rate),
        )
        for number, step in enumerate(steps, 1)
    ]
    return plan.model_copy(update={"stages": tuple(stages)})


def drive(
    run: RunContext,
    stack: Stack,
    meter: StackMeter,
    steps: Sequence[Step],
    number: int,
    *,
    warm_up_s: float = WARM_UP_S,
) -> Drive:
    """Put *steps* on the stack, one after the other; a window for each.

    Raises:
        MeasurementError: the load ended early.
        StackError, LoadError: a part or the generator did not do what it must.
    """
    plan = plan_of(run, stack, steps, warm_up_s=warm_up_s)
    # Trials count on their own: the ids of a stack's requests must stay unique.
    plan = plan.model_copy(update={"run_id": f"{plan.run_id}.{number}"})
    outcome, edges = run_watched(run, stack, meter, plan, f"lab-{number}", each_stage=True)
    _require_whole(run, outcome, len(edges), steps)
    windows = tuple(
        _window(stack, before, after) for before, after in zip(edges[::2], edges[1::2], strict=True)
    )
    return Drive(windows, outcome, edges[0].wall_us)


@dataclass(frozen=True, slots=True)
class Place:
    """A stack to put load on, and what reads it."""

    run: RunContext
    stack: Stack
    meter: StackMeter


def drive_side_by_side(places: Mapping[Name, Place], steps: Sequence[Step], number: int) -> dict[Name, Drive]:
    """Put the same *steps* on several stacks; windows of the same number belong together.

    The stacks take turns within one load, so that what the machine does in a second meets all of them: each
    step takes as many times its seconds as there are stacks. Where the load comes from within a stack's own
    pods, they follow each other, in an order that depends on *number*.

    Raises:
        MeasurementError: a load ended early.
        StackError, LoadError: a part or the generator did not do what it must.
    """
    first, *_ = places.values()
    if any(each.stack.client(each.run.scenario.traffic.client) is not None for each in places.values()):
        order = list(places) if number % 2 == 0 else list(places)[::-1]
        drives = {name: drive(*_of(places[name]), steps, _apart(number, name, places)) for name in order}
        return {name: drives[name] for name in places}
    run_id = f"{first.run.next_run_id()}.{number}"
    plans: dict[str, LoadPlan] = {
        name: plan_of(each.run, each.stack, steps, warm_up_s=SHARED_WARM_UP_S).model_copy(
            update={"run_id": run_id}
        )
        for name, each in places.items()
    }
    outcome, edges = run_all_watched(
        first.run,
        [(each.stack, each.meter) for each in places.values()],
        in_turns(plans, seed=number + 1, slice_s=SLICE_S),
        f"lab-{number}",
    )
    _require_whole(first.run, outcome, len(edges), steps)
    found: dict[Name, Drive] = {}
    for at, (name, each) in enumerate(places.items()):
        windows = tuple(
            _window(each.stack, before[at], after[at])
            for before, after in zip(edges[::2], edges[1::2], strict=True)
        )
        found[name] = Drive(windows, share_of(outcome, name, len(places)), edges[0][at].wall_us)
    return found


def _of(place: Place) -> tuple[RunContext, Stack, StackMeter]:
    return place.run, place.stack, place.meter


def _apart(number: int, name: Name, places: Mapping[Name, Place]) -> int:
    """A number for each load."""
    return number * len(places) + list(places).index(name)


def _require_whole(run: RunContext, outcome: LoadOutcome, edges: int, steps: Sequence[Step]) -> None:
    if not outcome.complete or edges != 2 * len(steps):
        raise MeasurementError(
            f"a load of {steps[0].rate:g} requests/s ended early: {outcome.reason or 'why is unknown'}.",
            remedy=f"What was measured is in {run.record.folder}.",
        )


def _window(stack: Stack, before: Reading, after: Reading) -> Window:
    rises = difference(before.gateway, after.gateway)
    cpu: dict[Part, float] = {}
    for end, role in _ROLES.items():
        used = 0.0
        for part in stack.components():
            if part.role == role:
                first, last = before.usage[part.name], after.usage[part.name]
                if first is None or last is None:
                    raise MeasurementError(f"{part.name}: its CPU cannot be read here.")
                used += last.cpu_seconds - first.cpu_seconds
        cpu[end] = used
    return Window(
        seconds=after.at_s - before.at_s,
        requests=total(rises, "upstream_rq_total"),
        connections=total(rises, "upstream_cx_total"),
        ended=total(rises, "upstream_cx_destroy"),
        handshakes=total(rises, "ssl.handshake"),
        resumed=total(rises, "ssl.session_reused"),
        cpu_s=cpu,
    )
