"""The search on a stack that runs and is verified: trial after trial into the record, then what limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.analysis.capacity import (
    Capacity,
    Goal,
    Setup,
    TimeLimit,
    Trial,
    Try,
    next_steps,
    progress,
    replica_shares,
)
from bench.analysis.capacity.constraint import find_constraints, gateway_alone
from bench.errors import OutOfMemoryError
from bench.experiment.capacity.pressure import Pressure
from bench.experiment.capacity.trials import WARM_UP_S, Trials
from bench.measure import RunRecord
from bench.preparation import Prepared
from bench.result import CapacityResult, CapacityTrial, Constraint, MoreConnections
from bench.scenario import resources_of

_AROUND_LOAD_S = 0.5
_MOST_CONNECTIONS = 256
"""So many the client opens by itself at most: Envoy's usual circuit breaker lets 1,024 through."""
_HELPED = 1.05
"""What twice as many connections must carry, as a multiple, for them to have been what limited."""


def empty_result(goal: Goal, limits: Sequence[TimeLimit], config_source: str) -> CapacityResult:
    """What is in the record before the first trial."""
    return CapacityResult(
        limit=" and ".join(str(limit) for limit in limits),
        config_source=config_source,
        lowest=goal.lowest,
        highest=goal.highest,
        width=goal.width,
    )


def search(goal: Goal, trials: Trials, rest: Callable[[float], None]) -> None:
    """Try until there is an answer; each load is on disk before the next one starts.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    record, observer = trials.run.record, trials.run.observer
    made: list[Trial] = []
    lines: list[CapacityTrial] = []
    while not isinstance(steps := next_steps(goal, made), Capacity):
        observer.stage(
            _stage_text(goal, made, steps),
            WARM_UP_S + sum(step.duration_s for step in steps) + _AROUND_LOAD_S,
        )
        rest(steps[0].rest_s)
        try:
            new, for_result = trials.make(steps)
        except OutOfMemoryError as error:
            _note_lack_of_memory(record, error)
            raise
        if not all(line.good for line in for_result) and _open_more(trials, steps[0].load):
            _keep(record, goal, made, lines, trials)
            continue
        for trial, line in zip(new, for_result, strict=True):
            made.append(trial)
            lines.append(line.model_copy(update={"good": trial.is_good(goal)}))
        _keep(record, goal, made, lines, trials)
    assert record.capacity is not None  # noqa: S101 - set before the search
    record.capacity = record.capacity.model_copy(
        update={
            "state": steps.state,
            "lower": steps.lower,
            "upper": steps.upper,
            "throughput": steps.throughput,
            "soaked": steps.soaked,
            "demoted": steps.demoted,
            "nearest_miss": lines[-1].why if steps.state == "nothing good" and lines else None,
        }
    )
    _conclude(trials, record, trials.read_pressure(trials.stack))


def _open_more(trials: Trials, rate: float) -> bool:
    """Twice as many connections where those of the client were all that was at its end.

    What such a load missed says nothing of the path: it is no trial, and is made again. Where the last ones
    did not let more through, something behind them is at its end, whatever it is.
    """
    window, record = trials.windows[-1], trials.run.record
    assert record.capacity is not None  # noqa: S101 - set before the search
    so_far = record.capacity.more_connections
    carried = window.carried / window.duration_s
    first = find_constraints(window, _setup(trials, trials.read_pressure(trials.stack)))[0]
    after = min(2 * trials.connections, _MOST_CONNECTIONS)
    if first.code != "client-connections" or after <= trials.connections:
        return False
    if so_far and carried < _HELPED * so_far[-1].carried:
        return False
    more = MoreConnections(
        rate=rate, before=trials.connections, after=after, carried=carried, evidence=first.evidence
    )
    record.capacity = record.capacity.model_copy(update={"more_connections": (*so_far, more)})
    trials.connections = after
    return True


def _note_lack_of_memory(record: RunRecord, error: OutOfMemoryError) -> None:
    """Whatever rates were good before: this is what limits."""
    assert record.capacity is not None  # noqa: S101 - set before the search
    limit = Constraint(
        code="memory", evidence=f"the kernel ended {error.part} for lack of it", part=error.part
    )
    record.capacity = record.capacity.model_copy(update={"constraints": (limit,)})
    record.save()


def _keep(
    record: RunRecord,
    goal: Goal,
    made: list[Trial],
    lines: list[CapacityTrial],
    trials: Trials,
) -> None:
    now = progress(goal, made)
    assert record.capacity is not None  # noqa: S101 - set before the search
    record.capacity = record.capacity.model_copy(
        update={
            "lower": now.lower,
            "upper": now.upper,
            "spent_s": now.spent_s,
            "trials": tuple(lines),
            "windows": tuple(trials.windows),
            "misrouted": trials.misrouted,
        }
    )
    record.save()


def _stage_text(goal: Goal, made: list[Trial], steps: tuple[Try, ...]) -> str:
    """What is being tried, the bounds so far, and what remains."""
    now = progress(goal, made)
    low = "?" if now.lower is None else f"{now.lower:,.0f}"
    high = "?" if now.upper is None else f"{now.upper:,.0f}"
    return (
        f"{steps[0].purpose.value}: {steps[0].load:,.0f} requests/s; between {low} and {high};"
        f" trials for about {now.expected_s:.0f} s more, at most {now.at_most_s:.0f} s"
    )


def _conclude(trials: Trials, record: RunRecord, pressure: Mapping[str, Pressure]) -> None:
    """Say what limits, from the load that was too high and nearest to the bound."""
    found = record.capacity
    assert found is not None  # noqa: S101 - set before the search
    setup = _setup(trials, pressure)
    windows = trials.windows
    overloaded = _overloaded(found)
    at_least = [trial for trial in found.trials if trial.good and trial.rate == found.lower]
    record.capacity = found.model_copy(
        update={
            "constraints": () if overloaded is None else find_constraints(windows[overloaded.window], setup),
            "replicas": replica_shares(windows),
            "gateway_alone": gateway_alone(windows[at_least[-1].window], setup) if at_least else None,
        }
    )
    record.save()


def _setup(trials: Trials, pressure: Mapping[str, Pressure]) -> Setup:
    run = trials.run
    return setup_of(
        run.prepared,
        pressure,
        holds_limits=run.options.backend.holds_limits,
        connections=trials.connections,
    )


def setup_of(
    prepared: Prepared, pressure: Mapping[str, Pressure], *, holds_limits: bool, connections: int
) -> Setup:
    """What the parts have at their disposal.

    Args:
        prepared: the scenario.
        pressure: what the proxies say of themselves.
        holds_limits: whether the stack holds its parts to the scenario's ``resources``.
        connections: of the client.
    """
    return Setup(
        workers={name: state.workers for name, state in pressure.items()},
        quotas=_quotas(prepared, holds_limits),
        connections=connections,
    )


def _overloaded(found: CapacityResult) -> CapacityTrial | None:
    """The last bad trial at the upper bound; without one, at the lowest rate above the lower bound."""
    bad = [trial for trial in found.trials if not trial.good and trial.rate > (found.lower or 0.0)]
    rate = found.upper if found.upper is not None else min((trial.rate for trial in bad), default=None)
    return next((trial for trial in reversed(bad) if trial.rate == rate), None)


def _quotas(prepared: Prepared, holds_limits: bool) -> dict[str, float]:
    """CPUs that each part is held to."""
    if not holds_limits:
        return {}
    scenario = prepared.loaded.scenario
    roles = {
        name: "sidecar" if proxy.role == "sidecar" else "egress"
        for name, proxy in scenario.inventory.proxies.items()
    } | dict.fromkeys(scenario.nodes, "node")
    held = {name: resources_of(scenario, name, role).cpus for name, role in roles.items()}
    return {name: cpus for name, cpus in held.items() if cpus is not None}
