"""Questions 1, 2 and 5: the scenario's own rate against each config source, in interleaved blocks."""

from __future__ import annotations

from collections.abc import Sequence

from bench.measure import TrialPlan
from bench.scenario import Traffic
from bench.translate import ConfigSource


def steady_plans(
    traffic: Traffic, sources: Sequence[ConfigSource]
) -> tuple[tuple[ConfigSource, TrialPlan], ...]:
    """The trials in order, A B, B A, A B and so on, each with the source of the stack that it runs on.

    Within a block the sources run one after the other; the order turns with each block, so that neither a
    drift of the machine nor the first place favours one of them.
    """
    return tuple(
        (
            source,
            TrialPlan(
                name=f"block {block} {source}",
                experiment="steady",
                config_source=source,
                schedule=traffic.schedule,
                measure_s=traffic.measure_s,
                block=block,
                position=position,
            ),
        )
        for block in range(1, traffic.blocks + 1)
        for position, source in enumerate(sources if block % 2 else tuple(reversed(sources)), start=1)
    )
