"""Config sources at the scenario's own rate: stacks verified, then trials in interleaved blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from bench.experiment.run_context import RunContext
from bench.experiment.steady.plans import steady_plans
from bench.experiment.verification import require_right_path, verify_gateway_on, verify_stack
from bench.measure import GATEWAY_LOG, SAMPLED_FIELDS, SIDECAR_LOG, TrialPlan, load_plan, stack_target
from bench.preparation import Variation
from bench.stack import Stack
from bench.stack.artifacts import save_logs
from bench.translate import ConfigSource

BASELINE_S = 5.0
"""For the progress bar only."""
_MIXED_SHARE = 0.1


def measure_steady(run: RunContext) -> None:
    """Verify all stacks, measure the generator alone, and then every block.

    Raises:
        WrongPathError: a call of the verification was wrong; no load was sent.
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    for warning in run.verifier.contradictions():
        run.record.warn(warning, run.observer)
    is_full = run.options.ledger == "full"
    variation = Variation(sampled_log=SAMPLED_FIELDS)
    if is_full:
        variation = dataclasses.replace(variation, access_log=GATEWAY_LOG, sidecar_access_log=SIDECAR_LOG)
    with ExitStack() as running:
        # Each is verified as soon as it is up, the controls come last: who waits for a first answer, or for
        # the news that the path is wrong, waits for nothing else.
        stacks: dict[str, Stack] = {}
        for source in run.options.sources:
            stacks[source] = run.start_stack(running, source, source, variation)
            verify_stack(run, source, stacks[source])
        if all(line.passed for line in run.record.verification):
            verify_gateway_on(run)
        require_right_path(run)
        plans = _mixed(run, steady_plans(run.scenario.traffic, run.options.sources), stacks)
        _measure_baseline(run, stacks[plans[0][0]], plans[0][1])
        for source, plan in plans:
            run.run_trial(stacks, source, plan, is_matched=is_full)
        for name, stack in stacks.items():
            save_logs(stack, run.record.folder / "logs" / name, with_access_logs=False)


def _mixed(
    run: RunContext, plans: Sequence[tuple[ConfigSource, TrialPlan]], stacks: Mapping[str, Stack]
) -> Sequence[tuple[ConfigSource, TrialPlan]]:
    """The plans with the request matrix mixed in, if that was asked for."""
    if not run.options.mix_matrix:
        return plans
    traffic = run.scenario.traffic
    weight = sum(request.weight for request in traffic.mix) * _MIXED_SHARE / (1 - _MIXED_SHARE)
    extra = run.verifier.mixable(stacks[plans[0][0]], port=traffic.port, weight=weight)
    return [(source, dataclasses.replace(plan, extra=extra)) for source, plan in plans]


def _measure_baseline(run: RunContext, stack: Stack, plan: TrialPlan) -> None:
    """What the generator alone adds to every latency: the same load on a target that answers at once."""
    run.observer.stage("measuring the generator on a null target", BASELINE_S)
    scenario = run.scenario
    load = load_plan(scenario, plan, stack_target(stack, scenario), run.next_run_id())
    run.record.baseline = run.instruments.measure_baseline(
        load,
        run.record.folder / "logs" / "generator" / "baseline",
        launcher=stack.client(scenario.traffic.client),
    )
