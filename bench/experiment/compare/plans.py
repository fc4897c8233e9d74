"""The trials of a comparison, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from bench.analysis.variants import AGAIN, BASELINE
from bench.measure import TrialPlan
from bench.scenario import Traffic
from bench.translate import ConfigSource

BlockPlan = tuple[str, TrialPlan]
"""A trial, and the variant that it is of."""


def block_plans(
    block: int, variants: Mapping[str, tuple[Traffic, ConfigSource]], order: Random
) -> Sequence[BlockPlan]:
    """The trials of one block, each with its variant.

    Every variant runs once, and the baseline once more, in an order that is drawn for each block: neither a
    drift of the machine nor a place in the block favours one of them. In turns the order is that in which
    stacks are started and read.
    """
    runs = [*variants, AGAIN]
    order.shuffle(runs)
    plans = []
    for position, run in enumerate(runs, start=1):
        variant = BASELINE if run == AGAIN else run
        traffic, source = variants[variant]
        plan = TrialPlan(
            name=f"block {block} {run}",
            experiment="steady",
            config_source=source,
            variant=run,
            schedule=traffic.schedule,
            measure_s=traffic.measure_s,
            block=block,
            position=position,
        )
        plans.append((variant, plan))
    return plans
