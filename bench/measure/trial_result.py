"""From what the generator brought home to a trial as it stands in the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bench.analysis.subsets import add_up, combine
from bench.errors import MeasurementError
from bench.load import LoadOutcome, StageOutcome
from bench.measure.meter import UpstreamTls
from bench.measure.trial_plan import TrialPlan
from bench.report.samples import SecondRow
from bench.result import ComponentCost, FailureExample, LedgerResult, SubsetOutcome, TrialResult


@dataclass(frozen=True, slots=True)
class StackReadings:
    """What was read of the stack while it was under load."""

    costs: tuple[ComponentCost, ...]
    """Of the measured stage."""
    tls: UpstreamTls
    """What the gateway's clusters counted in the measured stage."""
    whole_tls: UpstreamTls
    """The same from before the warm-up until everything was answered."""
    measured_from_us: int
    """When the measured stage began, microseconds since the epoch, as access logs count."""
    peak_memory_bytes: int | None
    """Largest sum over all processes of the run."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial done: the result and what stands behind it."""

    result: TrialResult
    subsets: tuple[SubsetOutcome, ...]
    """The measured stage by subset."""
    seconds: tuple[SecondRow, ...]
    examples: tuple[FailureExample, ...]
    outcome: LoadOutcome
    readings: StackReadings | None
    """None where the path is not ours."""


def measured_stage(plan: TrialPlan, outcome: LoadOutcome) -> StageOutcome:
    """The measured stage of a trial's load.

    Raises:
        MeasurementError: the load ended before it.
    """
    measured = next((stage for stage in outcome.stages if stage.kind == "measure"), None)
    if measured is None:
        raise cut_short(plan, outcome)
    return measured


def cut_short(plan: TrialPlan, outcome: LoadOutcome) -> MeasurementError:
    """The error of a trial whose load ended before its measured stage was over."""
    return MeasurementError(
        f"{plan.name}: the load ended before its measured stage was over"
        f"{f' ({outcome.reason})' if outcome.reason else ''}.",
        remedy="See the generator's output in the result folder's logs.",
    )


def finished_trial(
    plan: TrialPlan,
    started_at: datetime,
    outcome: LoadOutcome,
    readings: StackReadings | None = None,
    ledger: LedgerResult | None = None,
) -> Trial:
    """Put together what a trial brought; what was not read stays unknown."""
    measured = measured_stage(plan, outcome)
    subsets = _families(measured.subsets)
    return Trial(
        result=TrialResult(
            name=plan.name,
            experiment=plan.experiment,
            config_source=plan.config_source,
            block=plan.block,
            position=plan.position,
            started_at=started_at.isoformat(timespec="milliseconds"),
            duration_s=measured.duration_s,
            arrival_rate=_arrival_rate(measured),
            achieved_rate=sum(subset.counts.sent for subset in subsets) / measured.duration_s,
            subsets=tuple(combine(subset.name, [subset]) for subset in subsets),
            total=combine("all", subsets),
            costs=(*(readings.costs if readings is not None else ()), _generator_cost(outcome)),
            new_upstream_connections=readings.tls.connections if readings is not None else None,
            handshakes=readings.tls.handshakes if readings is not None else None,
            sessions_reused=readings.tls.resumed if readings is not None else None,
            ledger=ledger,
        ),
        subsets=subsets,
        seconds=_seconds(plan, outcome),
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
    )


def _families(subsets: Sequence[SubsetOutcome]) -> tuple[SubsetOutcome, ...]:
    """Add up kinds of one family, ``matrix: …``: a table of subsets has no room for a whole matrix."""
    families: dict[str, list[SubsetOutcome]] = {}
    for subset in subsets:
        families.setdefault(subset.name.partition(":")[0], []).append(subset)
    return tuple(
        parts[0] if len(parts) == 1 and ":" not in parts[0].name else add_up(name, parts)
        for name, parts in families.items()
    )


def _arrival_rate(stage: StageOutcome) -> float | None:
    return stage.intended / stage.duration_s if stage.open_loop else None


def _generator_cost(outcome: LoadOutcome) -> ComponentCost:
    generator = outcome.generator
    return ComponentCost(
        component="generator",
        role="generator",
        cpu_seconds=generator.cpu_seconds,
        cpu_us_per_request=generator.cpu_seconds * 1e6 / generator.requests if generator.requests else None,
        memory_bytes=None,
    )


def _seconds(plan: TrialPlan, outcome: LoadOutcome) -> tuple[SecondRow, ...]:
    kinds = {stage.name: stage.kind for stage in outcome.stages}
    return tuple(
        SecondRow(
            trial=plan.name,
            experiment=plan.experiment,
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
