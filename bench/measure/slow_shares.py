"""Is a small share of a trial's requests slow, by times that generator and machine alone do not take?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from bench.analysis.histogram import Histogram
from bench.analysis.latency import merge
from bench.analysis.machine import IDLE_ENOUGH, is_disturbed
from bench.analysis.moments import MOMENT_S, keep_longest
from bench.analysis.second_mode import second_mode
from bench.analysis.slow_tail import Kind, LongTimes, slow_tail
from bench.load import LoadOutcome, StageOutcome
from bench.measure.trial_result import Trial
from bench.result import RunWarning
from bench.units import format_micros

_MODE_ADVICE = (
    "Something on the way is slow for some: look at the durations in the access logs of each hop, and at the"
    " nodes' own."
)
_TAIL_ADVICE = (
    "Something on the way is slow now and then: look at the durations in the access logs of each hop, at the"
    " nodes' own, and at what they wait for (locks, disks, collection of garbage, full queues)."
)
_NAMED = 3
"""Kinds of requests that are named one by one."""


def judge_slow_shares(trials: Sequence[Trial], baseline: LoadOutcome | None) -> tuple[RunWarning, ...]:
    """One warning for each kind of request whose service times have a second mode, or else a tail.

    The trials of one stack are judged together, since few requests are slow in each, then one by one; a tail
    that is too rare in each kind of request and stack is looked for in all of them.
    """
    stacks: dict[tuple[str | None, str | None], list[Trial]] = {}
    for trial in trials:
        stacks.setdefault((trial.result.config_source, trial.result.variant), []).append(trial)
    found: list[RunWarning] = []
    for of_stack in stacks.values():
        for name in _names(of_stack):
            found += _judge(of_stack, name, baseline)
    if not found and (rare := _slow_tail(trials, _names(trials), baseline)) is not None:
        found.append(rare)
    return tuple(found)


def _names(trials: Sequence[Trial]) -> list[str]:
    return list(dict.fromkeys(subset.name for trial in trials for subset in trial.subsets))


def _judge(trials: Sequence[Trial], subset: str, baseline: LoadOutcome | None) -> list[RunWarning]:
    parts = [trials, *([trial] for trial in trials if len(trials) > 1)]
    for some in (parts[:1], parts[1:]):
        modes = [found for part in some if (found := _second_mode(part, subset, baseline)) is not None]
        if modes:
            return modes
    for some in (parts[:1], parts[1:]):
        tails = [found for part in some if (found := _slow_tail(part, [subset], baseline)) is not None]
        if tails:
            return tails
    return []


def _second_mode(trials: Sequence[Trial], subset: str, baseline: LoadOutcome | None) -> RunWarning | None:
    # Beside others that want the processors, their time slices make modes of the path's times.
    alone = [
        trial for trial in trials if trial.result.machine is None or not is_disturbed(trial.result.machine)
    ]
    if not alone:
        return None
    mode = second_mode(_times(alone, subset), _baseline_times(baseline))
    if mode is None:
        return None
    on_stub = (
        f"; {mode.baseline_share:.2%} of those to the null target do"
        if mode.baseline_share is not None
        else ""
    )
    return RunWarning(
        code="slow-share",
        message=f"{_title(alone)}: {mode.share:.2%} of the requests of {subset}"
        f" ({mode.samples:,}) take about {format_micros(mode.excess_us)} longer than its median,"
        f" between {format_micros(mode.low_us)} and {format_micros(mode.high_us)}{on_stub}.",
        advice=_MODE_ADVICE,
    )


def _slow_tail(
    trials: Sequence[Trial], subsets: Sequence[str], baseline: LoadOutcome | None
) -> RunWarning | None:
    """Judge what ran on a machine that had room: otherwise the run says whose it was."""
    calm = [trial for trial in trials if _has_room(trial)]
    stages = [stage for trial in calm for stage in _measured(trial.outcome)]
    tail = slow_tail(
        [
            Kind(_times(calm, name), [LongTimes(_slow(stage, name), _count(stage)) for stage in stages])
            for name in subsets
        ],
        [*(LongTimes(stage.late_moments, _count(stage)) for stage in stages), *_of_baseline(baseline)],
        explained=sum(trial.result.new_upstream_connections or 0 for trial in calm),
    )
    if tail is None:
        return None
    which = " and ".join(subsets) if len(subsets) <= _NAMED else f"{len(subsets)} kinds"
    return RunWarning(
        code="slow-tail",
        message=f"{_title(calm)}: {tail.share:.2%} of the requests of {which} ({tail.samples:,})"
        f" take at least {format_micros(tail.excess_us)} longer than their median, in {tail.path.slow:,} of"
        f" {tail.path.whole:,} moments of {MOMENT_S * 1000:.0f} ms. Generator and null target were that late"
        f" in {tail.machine.slow:,} of {tail.machine.whole:,}: the machine alone makes so many with a"
        f" probability of {tail.chance:.0e}.",
        advice=_TAIL_ADVICE,
    )


def _title(trials: Sequence[Trial]) -> str:
    if len(trials) == 1:
        return trials[0].result.name
    stacks = {trial.result.variant or trial.result.config_source or "all" for trial in trials}
    return f"{' and '.join(sorted(stacks))}, {len(trials)} trials"


def _has_room(trial: Trial) -> bool:
    """Unknown is not calm: beside busy loops any path has a tail."""
    use = trial.result.machine
    return (
        use is not None
        and not is_disturbed(use)
        and use.idle_share is not None
        and use.idle_share >= IDLE_ENOUGH
    )


def _measured(outcome: LoadOutcome | None) -> Iterator[StageOutcome]:
    return (stage for stage in (outcome.stages if outcome is not None else ()) if stage.kind == "measure")


def _times(trials: Sequence[Trial], subset: str) -> Histogram:
    return merge(part.service_time for trial in trials for part in trial.subsets if part.name == subset)


def _slow(stage: StageOutcome, subset: str) -> Mapping[int, int]:
    """The moments of a subset, or of a family of requests that is shown as one."""
    found: dict[int, int] = {}
    for name, moments in stage.slow_moments.items():
        if subset in (name, name.partition(":")[0]):
            keep_longest(found, moments)
    return found


def _count(stage: StageOutcome) -> int:
    return math.ceil(stage.duration_s / MOMENT_S)


def _of_baseline(baseline: LoadOutcome | None) -> Iterator[LongTimes]:
    usual = (_baseline_times(baseline) or Histogram()).percentile(50.0) or 0
    for stage in _measured(baseline):
        slow: dict[int, int] = {}
        for moments in stage.slow_moments.values():
            keep_longest(slow, moments)
        yield LongTimes(slow, _count(stage), usual)


def _baseline_times(baseline: LoadOutcome | None) -> Histogram | None:
    blobs = [subset.service_time for stage in _measured(baseline) for subset in stage.subsets]
    times = merge(blobs) if blobs else None
    return times if times is not None and times.total else None
