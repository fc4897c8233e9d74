"""One load over several stacks, which take turns; and what of its outcome belongs to each of them. Pure.

Trials one after the other meet a machine that is faster in one second than in the next. In turns of a
hundredth of a second, each stack is under its own load as if it were alone, and what the machine does in a
second meets all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.load import Generator, LoadOutcome, LoadPlan, RequestKind, StageOutcome, Turns
from bench.scenario import Closed, Traffic

SLICE_S = 0.01
"""About how long a turn is: many times a usual request, so that each stack is alone with its own, and shorter
than what disturbs a machine. In turns of 70 ms, beside other work, the
medians of equal stacks scattered several times as much."""


def can_share(traffics: Sequence[Traffic]) -> bool:
    """Whether loads like these can be one load in turns: all alike but for the requests, and in open loop."""
    first = traffics[0]
    return not isinstance(first.schedule, Closed) and all(
        (each.schedule, each.connections, each.workers, each.warm_up_s, each.measure_s)
        == (first.schedule, first.connections, first.workers, first.warm_up_s, first.measure_s)
        for each in traffics
    )


def in_turns(plans: Mapping[str, LoadPlan], *, seed: int, slice_s: float = SLICE_S) -> LoadPlan:
    """Make one load of *plans*, each with a name; it takes as long as all of them one after the other.

    In its turn, each plan's requests become due at the plan's own rate. Every plan has equally many turns in
    each stage, in an order that depends on *seed*. A turn takes about *slice_s* seconds.
    """
    first, *_ = plans.values()
    requests: list[RequestKind] = []
    groups: list[tuple[int, ...]] = []
    for name, plan in plans.items():
        start = len(requests)
        requests += [
            kind.model_copy(update={"name": _prefix(name) + kind.name, "target": plan.target_of(kind)})
            for kind in plan.requests
        ]
        groups.append(tuple(range(start, len(requests))))
    count = len(plans)
    shortest = min(stage.duration_s for stage in first.stages)
    measured = first.stages[-1].duration_s
    slice_s = measured / max(1, round(measured / min(slice_s, shortest)))
    connections = first.connections
    return first.model_copy(
        update={
            "requests": tuple(requests),
            "turns": Turns(groups=tuple(groups), slice_s=slice_s),
            "stages": tuple(
                stage.model_copy(update={"duration_s": stage.duration_s * count}) for stage in first.stages
            ),
            # As many for each stack as it would have alone.
            "connections": connections.model_copy(update={"count": connections.count * count}),
            "seed": seed,
        }
    )


def share_of(outcome: LoadOutcome, name: str, count: int) -> LoadOutcome:
    """What of an outcome of ``in_turns`` is of the plan *name*, one of *count*.

    Clocks that all requests share (lag of the generator, time in queue) stay those of the whole load; what
    cannot be told apart (requests in flight, handshakes of the client, the chart over time) is unknown.
    """
    stages = tuple(_stage_of(stage, _prefix(name), count) for stage in outcome.stages)
    sent = sum(subset.counts.sent for stage in stages if stage.kind == "measure" for subset in stage.subsets)
    prefix = _prefix(name)
    return LoadOutcome(
        stages=stages,
        generator=_generator_of(outcome.generator, sent, count),
        examples=tuple(
            each.model_copy(update={"subset": each.subset.removeprefix(prefix)})
            for each in outcome.examples
            if each.subset.startswith(prefix)
        ),
        lost_workers=outcome.lost_workers,
        complete=outcome.complete,
        reason=outcome.reason,
    )


def _prefix(name: str) -> str:
    return f"{name} | "


def _stage_of(stage: StageOutcome, prefix: str, count: int) -> StageOutcome:
    own = tuple(
        subset.model_copy(update={"name": subset.name.removeprefix(prefix)})
        for subset in stage.subsets
        if subset.name.startswith(prefix)
    )
    return StageOutcome(
        name=stage.name,
        kind=stage.kind,
        duration_s=stage.duration_s / count,
        open_loop=stage.open_loop,
        intended=sum(subset.counts.due for subset in own),
        subsets=own,
        waited=stage.waited,
        own_lag=stage.own_lag,
        slow_moments={
            name.removeprefix(prefix): moments
            for name, moments in stage.slow_moments.items()
            if name.startswith(prefix)
        },
        late_moments=stage.late_moments,
        has_all_ended=False,
    )


def _generator_of(whole: Generator, sent: int, count: int) -> Generator:
    """Its CPU by requests; its connections evenly."""
    share = sent / whole.requests if whole.requests else 1 / count
    return Generator(
        cpu_seconds=whole.cpu_seconds * share,
        requests=sent,
        workers=whole.workers,
        connects=round(whole.connects / count),
        connections=None if whole.connections is None else round(whole.connections / count),
        reconnects=round(whole.reconnects / count),
    )
