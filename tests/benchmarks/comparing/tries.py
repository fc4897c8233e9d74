"""Comparisons drawn from real blocks, judged by the product's own engine as if each had been all there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bench.analysis.comparison import Judgement
from bench.analysis.variants import blocks_of, judge_variants
from bench.result import Result, TrialResult, VariantsResult

MARGIN = 0.05
"""What A/A comparisons must be called equal within."""


@dataclass(frozen=True)
class Start:
    """The blocks that were measured on stacks started together."""

    trials: tuple[TrialResult, ...]
    variants: VariantsResult
    duration_s: float
    """Of all of it, with starting and verifying the stacks."""

    @classmethod
    def of(cls, result: Result) -> Start:
        """The whole blocks of a result of ``egress-bench compare``."""
        if result.variants is None or result.duration_s is None:
            raise ValueError("this is not the result of a comparison that came to its end")
        return cls(result.trials, result.variants, result.duration_s)

    def whole_blocks(self, candidate: str) -> list[int]:
        """Numbers of the blocks in which the baseline, its repetition and *candidate* were measured."""
        found: dict[int, set[str]] = {}
        for trial in self.trials:
            if trial.variant is not None and trial.aborted is None:
                found.setdefault(trial.block, set()).add(trial.variant)
        return sorted(block for block, variants in found.items() if {"A", "A again", candidate} <= variants)

    def judge(self, candidate: str, blocks: Sequence[int]) -> dict[str, Judgement]:
        """The verdicts on *candidate* by these blocks alone, by metric."""
        chosen = [trial for trial in self.trials if trial.block in blocks]
        blocks_found = blocks_of(chosen, [candidate], are_stacks_new=self.variants.interleaved == "turns")
        found = self.variants.model_copy(update={"blocks": blocks_found, "margin": MARGIN})
        judged = judge_variants(found)
        return {each.blocks.metric: each.judgement for each in judged if each.blocks.scope == "load"}


def draw(
    starts: Sequence[Start], candidate: str, tries: int, size: int, lot: Random
) -> list[dict[str, Judgement]]:
    """Judge *tries* comparisons of *size* blocks each; start after start in turn, blocks by lot, none twice.

    Raises:
        ValueError: no start has that many blocks.
    """
    pools = [(start, start.whole_blocks(candidate)) for start in starts]
    pools = [(start, blocks) for start, blocks in pools if len(blocks) >= size]
    if not pools:
        raise ValueError(f"no start has {size} whole blocks")
    found = []
    for number in range(tries):
        start, blocks = pools[number % len(pools)]
        found.append(start.judge(candidate, lot.sample(blocks, size)))
    return found


def false_alarms(found: Sequence[dict[str, Judgement]]) -> int:
    """Comparisons in which any metric was said to differ."""
    return sum(any(each.kind == "differs" for each in judged.values()) for judged in found)


def found_in(found: Sequence[dict[str, Judgement]], metric: str) -> int:
    """Comparisons that say that *metric* has grown."""
    return sum(
        (each := judged.get(metric)) is not None and each.kind == "differs" and (each.shift or 0.0) > 0
        for judged in found
    )


def equal_in(found: Sequence[dict[str, Judgement]], metric: str) -> int:
    """Comparisons whose interval of *metric* lies within the margin, by two one-sided tests."""
    return sum((each := judged.get(metric)) is not None and each.is_equivalent for judged in found)
