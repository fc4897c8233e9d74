"""From what the generator returned to a trial as it is in the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bench.analysis.subsets import add_up, combine
from bench.load import LoadOutcome, StageOutcome
from bench.measure.meter import UpstreamTls
from bench.measure.trial_plan import TrialPlan
from bench.result import (
    ComponentCost,
    FailureExample,
    HopTimes,
    LedgerResult,
    MachineUse,
    PartRow,
    SecondRow,
    StageCounts,
    SubsetOutcome,
    TrialResult,
)
from bench.telemetry import PartSample


@dataclass(frozen=True, slots=True)
class StackReadings:
    """What was read of the stack while it was under load."""

    costs: tuple[ComponentCost, ...]
    """Of the measured stage."""
    tls: UpstreamTls | None
    """What the gateway's clusters counted in the measured stage; None: its counters were reset."""
    whole_tls: UpstreamTls | None
    """The same from before the warm-up until everything was answered."""
    measured_from_us: int
    """When the measured stage began, microseconds since the epoch, as access logs count."""
    peak_memory_bytes: int | None
    """Largest sum over all processes of the run."""
    machine: MachineUse | None = None
    """Whose the machine was in the measured stage."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial done: the result and what is behind it."""

    result: TrialResult
    subsets: tuple[SubsetOutcome, ...]
    """The measured stage by subset."""
    seconds: tuple[SecondRow, ...]
    examples: tuple[FailureExample, ...]
    outcome: LoadOutcome
    readings: StackReadings | None
    """None where the path is not ours, or the measured stage was not seen to its end."""
    failure: BaseException | None = None
    """What ended it before its time."""
    parts: tuple[PartRow, ...] = ()
    """What each part used, second by second."""


def finished_trial(
    plan: TrialPlan,
    started_at: datetime,
    outcome: LoadOutcome,
    *,
    readings: StackReadings | None = None,
    ledger: LedgerResult | None = None,
    hop_times: HopTimes | None = None,
    parts: tuple[PartRow, ...] = (),
    failure: BaseException | None = None,
) -> Trial:
    """Put together what a trial produced, as far as it came; what was not read stays unknown.

    Args:
        plan: what it was to do.
        started_at: when it began.
        outcome: what the generator returned; its measured stage may be missing.
        readings: of the measured stage.
        ledger: the account of the whole trial.
        hop_times: where the time of sampled requests went.
        parts: what each part used, second by second.
        failure: what ended it before its time.
    """
    measured = next((stage for stage in outcome.stages if stage.kind == "measure"), None)
    subsets = _families(measured.subsets) if measured is not None else ()
    duration_s = measured.duration_s if measured is not None else 0.0
    tls = readings.tls if readings is not None else None
    return Trial(
        result=TrialResult(
            name=plan.name,
            experiment=plan.experiment,
            config_source=plan.config_source,
            variant=plan.variant,
            block=plan.block,
            position=plan.position,
            started_at=started_at.isoformat(timespec="milliseconds"),
            duration_s=duration_s,
            arrival_rate=_arrival_rate(measured),
            achieved_rate=sum(subset.counts.sent for subset in subsets) / duration_s if duration_s else 0.0,
            subsets=tuple(combine(subset.name, [subset]) for subset in subsets),
            total=combine("all", subsets),
            costs=(*(readings.costs if readings is not None else ()), _generator_cost(outcome)),
            new_upstream_connections=tls.connections if tls is not None else None,
            handshakes=tls.handshakes if tls is not None else None,
            sessions_reused=tls.resumed if tls is not None else None,
            ledger=ledger,
            stages=tuple(_counts_of(stage) for stage in outcome.stages),
            machine=readings.machine if readings is not None else None,
            hop_times=hop_times,
            aborted=_why(failure, outcome),
        ),
        subsets=subsets,
        seconds=second_rows(plan.name, plan.experiment, outcome),
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
        failure=failure,
        parts=parts,
    )


def part_rows(plan: TrialPlan, samples: Sequence[PartSample], measured_from_s: float) -> tuple[PartRow, ...]:
    """What each part used between two looks; the first look of each only begins the count.

    Args:
        plan: the trial.
        samples: in their order.
        measured_from_s: start of the measured stage on the monotonic clock.
    """
    before: dict[str, PartSample] = {}
    rows = []
    for each in samples:
        last = before.get(each.part)
        before[each.part] = each
        if last is None or each.at_s <= last.at_s:
            continue
        used = each.cpu_s - last.cpu_s if each.cpu_s is not None and last.cpu_s is not None else None
        # A process that ended takes its time along: less than before is not negative, but unknown.
        cpus = used / (each.at_s - last.at_s) if used is not None and used >= 0 else None
        at_s = round(each.at_s - measured_from_s, 3)
        rows.append(
            PartRow(
                plan.name,
                plan.experiment,
                at_s,
                each.part,
                None if cpus is None else round(cpus, 4),
                each.memory_bytes,
            )
        )
    return tuple(rows)


def _counts_of(stage: StageOutcome) -> StageCounts:
    return StageCounts(
        name=stage.name,
        kind=stage.kind,
        subsets={subset.name: subset.counts for subset in _families(stage.subsets)},
    )


def _why(failure: BaseException | None, outcome: LoadOutcome) -> str | None:
    """Why the trial ended early; None if it did not."""
    if isinstance(failure, KeyboardInterrupt):
        return "interrupted by the user"
    if failure is not None:
        return str(failure)
    return None if outcome.complete else f"the load ended early: {outcome.reason or 'why is unknown'}"


def _families(subsets: Sequence[SubsetOutcome]) -> tuple[SubsetOutcome, ...]:
    """Add up kinds of one family, ``matrix: …``: a table of subsets has no room for a whole matrix."""
    families: dict[str, list[SubsetOutcome]] = {}
    for subset in subsets:
        families.setdefault(subset.name.partition(":")[0], []).append(subset)
    return tuple(
        parts[0] if len(parts) == 1 and ":" not in parts[0].name else add_up(name, parts)
        for name, parts in families.items()
    )


def _arrival_rate(stage: StageOutcome | None) -> float | None:
    if stage is None or not stage.open_loop or not stage.duration_s:
        return None
    return stage.intended / stage.duration_s


def _generator_cost(outcome: LoadOutcome) -> ComponentCost:
    generator = outcome.generator
    return ComponentCost(
        component="generator",
        role="generator",
        cpu_seconds=generator.cpu_seconds,
        cpu_us_per_request=generator.cpu_seconds * 1e6 / generator.requests if generator.requests else None,
        memory_bytes=None,
    )


def second_rows(trial: str, experiment: str, outcome: LoadOutcome) -> tuple[SecondRow, ...]:
    """The seconds of a load as rows of ``samples/timeseries.csv``."""
    kinds = {stage.name: stage.kind for stage in outcome.stages}
    return tuple(
        SecondRow(
            trial=trial,
            experiment=experiment,
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
