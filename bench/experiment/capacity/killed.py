"""What it costs that one of several gateways ends under a load that the others can carry."""

from __future__ import annotations

from bench.analysis.capacity import cost_of_end, lost
from bench.errors import MeasurementError
from bench.experiment.capacity.trials import Trials
from bench.load import LoadEvent, StageStarted
from bench.result import KilledReplica, ReplicaSecond

_BEFORE, _AFTER = 2, 4
"""Seconds of load before and after it ends."""
_CARRIED = 0.6
"""Of what the others carry together: their own limit must not be taken for what the end of one costs."""
KILL_S = _BEFORE + _AFTER + 2.0


def note_killed_replica(trials: Trials) -> None:
    """Do it and keep it in the record, where there are several gateways.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    found = kill_a_replica(trials)
    record = trials.run.record
    if found is not None and record.capacity is not None:
        record.capacity = record.capacity.model_copy(update={"killed": found})
        record.save()


def kill_a_replica(trials: Trials) -> KilledReplica | None:
    """Kill the last replica of the gateway under load, start it again, and say what was lost.

    None where there is one gateway alone, or no rate that it carries.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    run = trials.run
    found = run.record.capacity
    names = run.scenario.inventory.replicas_of(run.scenario.traffic.exit)
    if len(names) < 2 or found is None or found.lower is None:
        return None
    rate = found.lower * (len(names) - 1) / len(names) * _CARRIED
    run.observer.stage(f"killing {names[-1]} at {rate:,.0f} requests/s", KILL_S)
    faults = run.options.backend.make_faults(trials.stack)
    load = trials.plan_seconds(rate, _BEFORE + _AFTER)
    victim = f"second {_BEFORE + 1}"

    def on_event(event: LoadEvent) -> None:
        match event:
            case StageStarted(stage=stage) if stage == victim:
                faults.kill(names[-1])

    outcome = run.instruments.run_load(
        load,
        run.record.folder / "logs" / "generator" / load.run_id.rpartition(".")[2],
        on_event=on_event,
        launcher=trials.stack.client(run.scenario.traffic.client),
    )
    faults.restart(names[-1])
    measured = [stage for stage in outcome.stages if stage.kind == "measure"]
    if not outcome.complete or len(measured) != _BEFORE + _AFTER:
        raise MeasurementError(
            f"the load beside the end of {names[-1]} ended early: {outcome.reason or 'why is unknown'}.",
            remedy=f"What was measured is in {run.record.folder}.",
        )
    losses = [lost(stage.subsets, trials.limits) for stage in measured]
    seconds = [ReplicaSecond(due=each.due, lost=each.bad + each.slow) for each in losses]
    return cost_of_end(names[-1], rate, _BEFORE, seconds, trials.goal_loss)
