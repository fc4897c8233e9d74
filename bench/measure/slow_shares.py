"""Is a small share of a trial's requests slow, by a time that the generator alone never takes?"""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.histogram import Histogram
from bench.analysis.latency import merge
from bench.analysis.second_mode import second_mode
from bench.load import LoadOutcome
from bench.measure.trial_result import Trial
from bench.result import RunWarning
from bench.units import format_micros


def judge_slow_shares(trials: Sequence[Trial], baseline: LoadOutcome | None) -> tuple[RunWarning, ...]:
    """One warning for each kind of request of a trial whose service times have a second mode."""
    alone = _baseline_times(baseline)
    found = []
    for trial in trials:
        for subset in trial.subsets:
            mode = second_mode(Histogram.decode(subset.service_time), alone)
            if mode is None:
                continue
            on_stub = (
                f"; {mode.baseline_share:.2%} of those to the null target do"
                if mode.baseline_share is not None
                else ""
            )
            found.append(
                RunWarning(
                    code="slow-share",
                    message=f"{trial.result.name}: {mode.share:.2%} of the requests of {subset.name}"
                    f" ({mode.samples:,}) take about {format_micros(mode.excess_us)} longer than its median,"
                    f" between {format_micros(mode.low_us)} and {format_micros(mode.high_us)}{on_stub}.",
                    advice="Something on the way is slow for some: look at the durations in the access logs"
                    " of each hop, and at the nodes' own.",
                )
            )
    return tuple(found)


def _baseline_times(baseline: LoadOutcome | None) -> Histogram | None:
    blobs = [
        subset.service_time
        for stage in (baseline.stages if baseline is not None else ())
        if stage.kind == "measure"
        for subset in stage.subsets
    ]
    times = merge(blobs) if blobs else None
    return times if times is not None and times.total else None
