"""A block whose variants take turns within one load, each on a stack that is started for this block alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from bench.experiment.compare.variants import Variant
from bench.experiment.run_context import AROUND_TRIAL_S, RunContext
from bench.measure import Side, TrialPlan, run_in_turns
from bench.scenario import mean_rate
from bench.stack.artifacts import save_logs


def run_block_in_turns(block: int, plans: Sequence[tuple[Variant, RunContext, TrialPlan]]) -> None:
    """Start the stacks, put one load on them, keep the trial of each, and stop them.

    Two starts of the same Envoy differ, in where its memory lies and which connections its workers take, by
    a per cent or so of CPU. Stacks that lived through all blocks would show that as a difference of the
    variants, the more surely the more blocks there are; with a start for each block it is one of the
    things by which blocks scatter.

    Args:
        block: its number, from 1.
        plans: in the order in which the stacks are started.

    Raises:
        MeasurementError: the load ended early.
        StackError, LoadError: a part or the generator did not do what it must.
    """
    _, first, plan = plans[0]
    with ExitStack() as running:
        sides = []
        for variant, run, own in plans:
            name = (own.variant or variant.name).replace(" ", "-")
            stack = run.start_stack(running, name, variant.source, variant.variation)
            ground = running.enter_context(run.ground_of({name: stack}, name, own))
            sides.append(Side(ground, run.scenario, own))
        rate = mean_rate(plan.schedule)
        first.observer.stage(
            f"block {block}, {len(plans)} stacks in turns, {rate:g} requests/s",
            len(plans) * (first.scenario.traffic.warm_up_s + plan.measure_s) + AROUND_TRIAL_S,
        )
        trials = run_in_turns(
            sides,
            run_id=first.next_run_id(),
            seed=block,
            folder=first.record.folder / "logs" / "generator" / f"block-{block}",
            run_load=first.instruments.run_load,
        )
        for (_, run, _), side, trial in zip(plans, sides, trials, strict=True):
            # A result is written whole: once for the block, not once for each of its trials.
            run.keep(trial, side.ground, save=trial is trials[-1])
            save_logs(
                side.ground.stack,
                first.record.folder / "logs" / side.ground.name,
                with_access_logs=False,
            )
        for (_, run, _), trial in zip(plans, trials, strict=True):
            run.require_whole(trial)
