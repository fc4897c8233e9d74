"""Config sources by block: medians, paired differences, and what the blocks allow to say.

A block is a trial of each source, one after the other, in an order that alternates. Its difference is one
observation; requests inside a block are not independent samples of the difference between sources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Literal

from bench.analysis.comparison import MARGIN, Judgement, PairedBlocks, Why, judge_family
from bench.analysis.part_costs import cpu_us_of_role, memory_bytes_of_role
from bench.result import HOT_RESTART, Comparison, TrialResult


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of one source over the blocks."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class BlockComparison:
    """One metric of the baseline, ``static``, and of the candidate, ``eds``. All values in ``unit``."""

    metric: str
    unit: str
    blocks: int
    static_values: tuple[float, ...]
    eds_values: tuple[float, ...]
    static: Spread | None
    eds: Spread | None
    ratio: float | None
    """Median of eds by median of static; None if the latter is 0."""
    differences: tuple[float, ...]
    """eds less static, block by block."""
    difference: float | None
    """Median of the differences."""
    judgement: Judgement
    baseline: str = "static"
    candidate: str = "eds"

    @property
    def label(self) -> str:
        """The metric, with the sources where they are not those of every run."""
        if (self.baseline, self.candidate) == ("static", "eds"):
            return self.metric
        return f"{self.metric}, {source_word(self.candidate)} against {source_word(self.baseline)}"

    @property
    def resolved(self) -> bool:
        """Whether the blocks show that the sources differ."""
        return self.judgement.kind == "differs"

    @property
    def wording(self) -> str:
        """The verdict in words."""
        return word_judgement(self.judgement, self.candidate, self.baseline)


def source_word(source: str) -> str:
    """A config source, or a way by which changes come, as people write it: ``EDS``, ``ADS delta``."""
    words = {"eds": "EDS", "ads": "ADS", "ads-delta": "ADS delta", f"static{HOT_RESTART}": "hot restart"}
    return words.get(source, source)


@lru_cache(maxsize=16)
def compare_sources(comparisons: tuple[Comparison, ...]) -> tuple[BlockComparison, ...]:
    """Put the blocks of each metric side by side, and judge all of them as one family of tests."""
    # After an abort one source may be a block ahead: only whole blocks are compared.
    family = [
        PairedBlocks(each.metric, each.static, each.eds, is_repeated=each.scope != "process")
        for each in comparisons
    ]
    judged = judge_family(family, margin=MARGIN)
    return tuple(
        _beside(each, blocks.pairs, judgement)
        for each, blocks, judgement in zip(comparisons, family, judged, strict=True)
    )


def _beside(
    comparison: Comparison, pairs: Sequence[tuple[float, float]], judgement: Judgement
) -> BlockComparison:
    static = _spread([pair[0] for pair in pairs]) if pairs else None
    eds = _spread([pair[1] for pair in pairs]) if pairs else None
    differences = tuple(candidate - baseline for baseline, candidate in pairs)
    return BlockComparison(
        metric=comparison.metric,
        unit=comparison.unit,
        blocks=len(pairs),
        static_values=tuple(baseline for baseline, _ in pairs),
        eds_values=tuple(candidate for _, candidate in pairs),
        static=static,
        eds=eds,
        ratio=eds.median / static.median if static and eds and static.median else None,
        differences=differences,
        difference=median(differences) if differences else None,
        judgement=judgement,
        baseline=comparison.baseline,
        candidate=comparison.candidate,
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median=median(values), lowest=min(values), highest=max(values))


def word_judgement(judgement: Judgement, candidate: str, baseline: str) -> str:
    """A verdict in one line, with its interval or with what it lacks."""
    if judgement.kind == "not resolved":
        return f"not resolved: {_lacking(judgement, baseline)}"
    between = ""
    if judgement.low is not None and judgement.high is not None:
        between = f" (95 %: {_signed(judgement.low)} to {_signed(judgement.high)})"
    if judgement.kind == "equivalent":
        return f"equal within ±{judgement.margin * 100:.3g} %{between}"
    shift = judgement.shift or 0.0
    side = "higher" if shift > 0 else "lower"
    small = f", yet within ±{judgement.margin * 100:.3g} %" if judgement.is_equivalent else ""
    return f"{candidate} {abs(shift) * 100:.3g} % {side} than {baseline}{between}{small}"


def _lacking(judgement: Judgement, baseline: str) -> str:
    more = judgement.more_blocks
    match judgement.why:
        case Why.FEW_BLOCKS:
            plural = "block" if judgement.blocks == 1 else "blocks"
            return f"{judgement.blocks} {plural}, a verdict needs {judgement.blocks + (more or 0)} or more"
        case Why.ONE_PROCESS:
            return "one process of each source, read again in each block"
        case Why.NOISE | Why.WITHIN_FLOOR:
            about = "" if more is None else f"; about {more} more would probably do"
            if judgement.why is Why.WITHIN_FLOOR:
                return f"{baseline} differs from itself by as much{about}"
            could = judgement.resolvable
            reach = "" if could is None else f" (they would show a change of {could * 100:.2g} %)"
            return f"the {judgement.blocks} blocks vary too much{reach}{about}"
        case _:
            return judgement.why.value


def _signed(share: float) -> str:
    return f"{share * 100:+.2g} %"


def comparisons_of(trials: Sequence[TrialResult]) -> tuple[Comparison, ...]:
    """Line up the steady trials of whole blocks, metric by metric.

    A block counts for a metric only if both of its trials know the value; a metric that no block knows is
    left out.
    """
    blocks: dict[int, dict[str, TrialResult]] = {}
    for trial in trials:
        if trial.experiment == "steady" and trial.config_source is not None and trial.variant is None:
            blocks.setdefault(trial.block, {})[trial.config_source] = trial
    sources = tuple(dict.fromkeys(source for block in blocks.values() for source in block))
    if len(sources) < 2:
        return ()
    baseline = "static" if "static" in sources else sources[0]
    whole = [blocks[number] for number in sorted(blocks) if len(blocks[number]) == len(sources)]
    found = []
    for candidate in (source for source in sources if source != baseline):
        for metric, unit, scope, read in METRICS:
            pairs = [(read(block[baseline]), read(block[candidate])) for block in whole]
            known = [(first, second) for first, second in pairs if first is not None and second is not None]
            if known:
                found.append(
                    Comparison(
                        metric=metric,
                        unit=unit,
                        scope=scope,
                        baseline=baseline,
                        candidate=candidate,
                        static=tuple(pair[0] for pair in known),
                        eds=tuple(pair[1] for pair in known),
                    )
                )
    return tuple(found)


Read = Callable[[TrialResult], float | None]
"""A metric of a trial; None: unknown."""

METRICS: tuple[tuple[str, str, Literal["load", "process"], Read], ...] = (
    ("response time p50", "µs", "load", lambda trial: trial.total.response_time.p50),
    ("response time p99", "µs", "load", lambda trial: trial.total.response_time.p99),
    ("service time p50", "µs", "load", lambda trial: trial.total.service_time.p50),
    ("service time p99", "µs", "load", lambda trial: trial.total.service_time.p99),
    ("sidecar CPU per request", "µs", "load", lambda trial: cpu_us_of_role(trial, "sidecar")),
    ("gateway CPU per request", "µs", "load", lambda trial: cpu_us_of_role(trial, "egress")),
    ("sidecar memory", "bytes", "process", lambda trial: memory_bytes_of_role(trial, "sidecar")),
    ("gateway memory", "bytes", "process", lambda trial: memory_bytes_of_role(trial, "egress")),
)
