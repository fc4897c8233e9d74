"""Variants of a scenario against its baseline: one verdict for each metric and candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis.compare import METRICS, Read, word_judgement
from bench.analysis.comparison import Judgement, PairedBlocks, judge_family
from bench.result import TrialResult, VariantBlocks, VariantsResult

BASELINE = "A"
AGAIN = "A again"
"""The baseline once more within a block."""


@dataclass(frozen=True, slots=True)
class JudgedMetric:
    """One metric of one candidate, and what its blocks allow to say."""

    blocks: VariantBlocks
    judgement: Judgement

    @property
    def wording(self) -> str:
        """The verdict in words."""
        return word_judgement(self.judgement, self.blocks.candidate, BASELINE)

    @property
    def medians(self) -> tuple[float, float]:
        """Of baseline and candidate, over the blocks."""
        return median(self.blocks.baseline_values), median(self.blocks.candidate_values)


def blocks_of(
    trials: Sequence[TrialResult], candidates: Sequence[str], *, are_stacks_new: bool = False
) -> tuple[VariantBlocks, ...]:
    """Line up whole blocks, candidate by candidate and metric by metric; what no block knows is left out.

    With *are_stacks_new* each block had processes of its own: what was read of them is of that block alone.
    """
    blocks: dict[int, dict[str, TrialResult]] = {}
    for trial in trials:
        if trial.variant is not None and trial.aborted is None:
            blocks.setdefault(trial.block, {})[trial.variant] = trial
    whole = [
        blocks[number] for number in sorted(blocks) if {BASELINE, AGAIN, *candidates} <= blocks[number].keys()
    ]
    found = []
    for candidate in candidates:
        for metric, unit, scope, read in METRICS:
            pairs = _pairs(whole, BASELINE, candidate, read)
            if pairs:
                found.append(
                    VariantBlocks(
                        metric=metric,
                        unit=unit,
                        scope="load" if are_stacks_new else scope,
                        candidate=candidate,
                        baseline_values=tuple(pair[0] for pair in pairs),
                        candidate_values=tuple(pair[1] for pair in pairs),
                        again=tuple(_pairs(whole, BASELINE, AGAIN, read)),
                    )
                )
    return tuple(found)


def _pairs(
    blocks: Sequence[dict[str, TrialResult]], first: str, second: str, read: Read
) -> list[tuple[float, float]]:
    values = [(read(block[first]), read(block[second])) for block in blocks]
    return [(one, other) for one, other in values if one is not None and other is not None]


def judge_variants(found: VariantsResult) -> tuple[JudgedMetric, ...]:
    """Judge all metrics of all candidates as one family of tests."""
    family = [
        PairedBlocks(
            f"{each.candidate}: {each.metric}",
            each.baseline_values,
            each.candidate_values,
            again=each.again,
            is_repeated=each.scope != "process",
        )
        for each in found.blocks
    ]
    judged = judge_family(family, margin=found.margin)
    return tuple(JudgedMetric(blocks, each) for blocks, each in zip(found.blocks, judged, strict=True))


def is_resolved(found: VariantsResult, effect: float) -> bool:
    """Whether every metric of load has a verdict, or would have shown a change of *effect* (0.02: 2 %)."""
    judged = [each.judgement for each in judge_variants(found) if each.blocks.scope == "load"]
    return bool(judged) and all(
        each.kind != "not resolved" or (each.resolvable is not None and each.resolvable <= effect)
        for each in judged
    )


def sentence_of(found: VariantsResult) -> str:
    """What the comparison comes to, in one sentence for each candidate."""
    judged = [each for each in judge_variants(found) if each.blocks.scope == "load"]
    parts = []
    for candidate in dict.fromkeys(each.blocks.candidate for each in judged):
        own = [each for each in judged if each.blocks.candidate == candidate]
        differs = [f"{each.blocks.metric} {each.wording}" for each in own if each.judgement.kind == "differs"]
        equal = sum(each.judgement.kind == "equivalent" for each in own)
        open_ones = len(own) - len(differs) - equal
        counts = [f"{equal} of {len(own)} metrics equal within ±{found.margin:.0%}"] if equal else []
        counts += [f"{open_ones} not resolved"] if open_ones else []
        parts.append(f"{candidate}: {'; '.join([*differs, *counts])}")
    same = " The variants are the same: whatever differs is noise." if found.is_same else ""
    return (". ".join(parts) or "No block was completed") + f".{same}"
