"""What the trials made so far say about each load: classification and throughput as in RFC 9971."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.analysis.capacity.goal import Goal, Target
from bench.analysis.capacity.trial import Purpose, Trial

Class = Literal["lower", "upper", "undecided"]

SOAKS = 2
"""One soak may fail by misfortune; a load that fails this many is demoted."""


@dataclass(slots=True)
class Record:
    """Sums of one load. Long trials have the goal's duration, short ones less."""

    good_long_s: float = 0.0
    bad_long_s: float = 0.0
    good_short_s: float = 0.0
    bad_short_s: float = 0.0
    generator_s: float = 0.0
    """Of the bad seconds, those in which the generator was the limit."""
    looks_good: int = 0
    """Second looks at an upper bound that did not find it bad: each doubts what was proven before."""
    looks_bad: int = 0
    soaks_passed: int = 0
    soaks_failed: int = 0
    trials: list[Trial] = field(default_factory=list)
    """Without soaks."""

    @property
    def is_demoted(self) -> bool:
        """Did the soak refute what short trials had said?"""
        return self.soaks_failed >= SOAKS and not self.soaks_passed

    @property
    def is_generators(self) -> bool:
        """Is it the generator that makes this load a bad one?"""
        return 2 * self.generator_s >= self.bad_long_s + self.bad_short_s > 0

    def estimates(self, goal: Goal, target: Target) -> tuple[bool, bool]:
        """Optimistic and pessimistic: is the load good if all missing seconds are good; and if all are bad?

        As in RFC 9971, appendix A: seconds of good short trials balance those of bad short ones.
        """
        exceed = goal.exceed_ratio
        balance_s = self.good_short_s * exceed / (1 - exceed)
        bad_s = self.bad_long_s + max(0.0, self.bad_short_s - balance_s)
        # A bound that was refuted needs the same number of seconds again.
        whole_s = max(self.good_long_s + bad_s, target.duration_sum_s * (1 + self.looks_good))
        allowed_s = whole_s * exceed + 1e-9
        return bad_s <= allowed_s, whole_s - self.good_long_s <= allowed_s

    def classify(self, goal: Goal, target: Target) -> Class:
        """What the load is by this target; undecided while the missing seconds could still change it."""
        if self.is_demoted:
            return "upper"
        optimistic, pessimistic = self.estimates(goal, target)
        if optimistic == pessimistic:
            return "lower" if optimistic else "upper"
        return "undecided"

    def conditional_throughput(self, goal: Goal, load: float) -> float | None:
        """Requests/s that got a good answer in the worst of the trials that decide; None without a trial.

        Trials in order of loss; the one at which the share of the goal is reached gives the loss.
        """
        ordered = sorted(self.trials, key=lambda trial: trial.loss)
        needed_s = (1 - goal.exceed_ratio) * sum(trial.duration_s for trial in ordered)
        reached_s = 0.0
        for trial in ordered:
            reached_s += trial.duration_s
            if reached_s >= needed_s - 1e-9:
                return load * (1 - trial.loss)
        return None


def records(goal: Goal, trials: Iterable[Trial]) -> dict[int, Record]:
    """Add the trials up by load: index on the grid -> sums."""
    found: dict[int, Record] = {}
    for trial in trials:
        record = found.setdefault(goal.index(trial.load), Record())
        good = trial.is_good(goal)
        if trial.purpose is Purpose.SOAK:
            record.soaks_passed += good
            record.soaks_failed += not good
            continue
        record.trials.append(trial)
        if trial.purpose is Purpose.SECOND_LOOK:
            record.looks_good += good
            record.looks_bad += not good
        short = trial.duration_s < goal.trial_s * 0.999
        name = f"{'good' if good else 'bad'}_{'short' if short else 'long'}_s"
        setattr(record, name, getattr(record, name) + trial.duration_s)
        if trial.generator_limited:
            record.generator_s += trial.duration_s
    return found


@dataclass(frozen=True, slots=True)
class Bounds:
    """Relevant bounds by one target, as indices of the grid."""

    lower: int | None
    """The highest good load below the upper bound."""
    upper: int | None
    """The lowest bad load."""
    next_lower: int | None
    """The good load after the lower bound: how wide the last step up was."""
    next_upper: int | None


def bounds(goal: Goal, target: Target, loads: Mapping[int, Record]) -> Bounds:
    """Find the relevant bounds. Where loads contradict each other, the lowest bad one decides."""
    classes = {index: record.classify(goal, target) for index, record in loads.items()}
    uppers = sorted(index for index, kind in classes.items() if kind == "upper")
    upper = uppers[0] if uppers else None
    lowers = sorted(
        (i for i, kind in classes.items() if kind == "lower" and (upper is None or i < upper)), reverse=True
    )
    return Bounds(
        lower=lowers[0] if lowers else None,
        upper=upper,
        next_lower=lowers[1] if len(lowers) > 1 else None,
        next_upper=uppers[1] if len(uppers) > 1 else None,
    )
